//! `hub --demo N`: simulated chargers that connect through real sockets and charge, so that there is
//! something to look at. They speak OCPP 1.6, 2.0.1 and 2.1 by turns; a minute of theirs takes a second.

use std::{sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use loadtest::{Orders, Pace, Profile, SimCharger, Target, Unobserved, Version};
use model::{Admission, InvalidId, Site, SiteId, Station, StationId, Token, TokenKind, TokenUid};
use tokio::sync::watch;

use crate::Hub;

/// Simulated chargers; they stop when this is dropped.
pub struct Demo {
    _orders: watch::Sender<Orders>,
}

const SITE: &str = "demo";
const TOKEN: &str = "DEMO";

/// Adds `chargers` simulated chargers to the hub, with a site and a token of their own.
///
/// # Errors
/// One line that says why not.
pub async fn start(hub: &Hub, chargers: u32) -> Result<Demo, String> {
    furnish(hub, chargers)
        .await
        .map_err(|error| format!("the demo cannot be set up: {error}"))?;
    let target = Target::new(&format!("ws://{}/ocpp/{{id}}", hub.chargers), None)
        .map_err(|error| error.to_string())?;
    let fleet = |version| {
        Arc::new(Profile {
            token: TOKEN.to_owned(),
            speed: 60.0,
            meter_interval: Duration::from_secs(5),
            ..Profile::new(target.clone(), version)
        })
    };
    let fleets = Version::ALL.map(fleet);
    let natural = Orders {
        pace: Pace::Natural,
        ..Orders::default()
    };
    let (orders, following) = watch::channel(natural);
    for number in 0..chargers {
        let profile = Arc::clone(&fleets[number as usize % fleets.len()]);
        let charger = SimCharger::new(
            profile,
            &identity(number),
            u64::from(number),
            Arc::new(Unobserved),
            following.clone(),
        );
        tokio::spawn(charger.run());
    }
    tracing::info!(chargers, "the demo's chargers connect");
    Ok(Demo { _orders: orders })
}

fn identity(number: u32) -> String {
    format!("DEMO-{number:04}")
}

/// What an operator would have set up before.
async fn furnish(hub: &Hub, chargers: u32) -> Result<(), Box<dyn std::error::Error>> {
    let store = hub.store();
    let created_at = crate::now();
    let site = SiteId::new(SITE)?;
    let limit_w = Some(f64::from(chargers) * 11_000.0);
    let name = "Simulated chargers".to_owned();
    store
        .put_site(Site {
            id: site.clone(),
            name,
            limit_w,
            created_at,
        })
        .await?;
    store
        .put_token(Token {
            uid: TokenUid::new(TOKEN)?,
            kind: TokenKind::default(),
            group: None,
            blocked: false,
            expires_at: None,
            max_concurrent: None,
            note: "of the demo".to_owned(),
        })
        .await?;
    let stations = (0..chargers)
        .map(|number| {
            Ok(Station {
                id: StationId::new(&identity(number))?,
                site: Some(site.clone()),
                admission: Admission::Accepted,
                assume_16: false,
                note: "simulated".to_owned(),
                boot: None,
                protocol: None,
                last_seen_at: None,
                created_at,
            })
        })
        .collect::<Result<Vec<_>, InvalidId>>()?;
    // All at once, so that one commit takes many.
    try_join_all(
        stations
            .into_iter()
            .map(|station| store.create_station(station)),
    )
    .await?;
    Ok(())
}
