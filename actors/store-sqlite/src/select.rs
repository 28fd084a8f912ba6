//! SELECT statements put together from the conditions a filter asks for. Only texts of this crate become
//! SQL; what users ask for is bound as values.

use rusqlite::{Connection, Row, params_from_iter, types::Value};
use store::{NoSuchPlace, Page, PageRequest, TimePlace};

/// The station's number, from its identity.
pub(crate) const OF_STATION: &str = "station = (SELECT no FROM identities WHERE identity = ?)";

/// A SELECT in the making.
pub(crate) struct Select {
    sql: String,
    values: Vec<Value>,
}

impl Select {
    /// `SELECT … FROM … WHERE first`, where `first` holds one `?` for the value.
    pub(crate) fn new(from: &str, first: &str, value: impl Into<Value>) -> Self {
        Self {
            sql: format!("{from} WHERE {first}"),
            values: vec![value.into()],
        }
    }

    /// `SELECT … FROM …` with all rows so far.
    pub(crate) fn all(from: &str) -> Self {
        Self {
            sql: format!("{from} WHERE true"),
            values: Vec::new(),
        }
    }

    /// A further condition without a value.
    pub(crate) fn and(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }

    /// A further condition that holds one `?`, where there is a value for it.
    pub(crate) fn and_if(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.and(condition);
            self.values.push(value.into());
        }
    }

    /// The page that is asked for, of rows in the order of `order`.
    pub(crate) fn page<P: std::fmt::Display, T>(
        mut self,
        db: &Connection,
        order: &str,
        request: &PageRequest,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<(P, T)>,
    ) -> rusqlite::Result<Page<T>> {
        self.limit(order, request);
        let mut statement = db.prepare_cached(&self.sql)?;
        let rows = statement.query_map(params_from_iter(self.values), read)?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(Page::cut(request, rows))
    }

    fn limit(&mut self, order: &str, request: &PageRequest) {
        self.sql.push_str(" ORDER BY ");
        self.sql.push_str(order);
        self.sql.push_str(" LIMIT ?");
        let most = i64::try_from(request.to_read()).unwrap_or(i64::MAX);
        self.values.push(most.into());
    }

    /// The page that is asked for, the newest first, of rows that begin with `no` and a time; `time` is
    /// the column of that.
    pub(crate) fn newest<T>(
        mut self,
        db: &Connection,
        time: &str,
        request: &PageRequest,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Page<T>> {
        match request.place::<TimePlace>() {
            Ok(None) => {}
            Ok(Some(place)) => {
                self.and(&format!("({time}, no) < (?, ?)"));
                self.values.push(place.at.0.into());
                self.values.push(place.no.into());
            }
            Err(NoSuchPlace) => return Ok(Page::empty()),
        }
        self.page(db, &format!("{time} DESC, no DESC"), request, |row| {
            let place = TimePlace {
                no: row.get(0)?,
                at: model::Timestamp(row.get(1)?),
            };
            Ok((place, read(row)?))
        })
    }
}

#[cfg(test)]
impl Select {
    /// How SQLite would find the rows, step by step.
    pub(crate) fn plan(mut self, db: &Connection, order: &str) -> Vec<String> {
        self.limit(order, &PageRequest::first(10));
        let mut statement = db
            .prepare(&format!("EXPLAIN QUERY PLAN {}", self.sql))
            .expect("the statement is right");
        statement
            .query_map(params_from_iter(self.values), |row| row.get(3))
            .expect("a plan")
            .collect::<rusqlite::Result<_>>()
            .expect("a plan")
    }
}
