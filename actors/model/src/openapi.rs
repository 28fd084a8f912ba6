//! Schemas of the types that are written as a plain text, for the OpenAPI document.

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

use crate::{ConnectorState, Location, Measurand, TokenKind};

macro_rules! text_schema {
    ($($name:ident like $example:literal),* $(,)?) => {$(
        impl utoipa::PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .examples([$example])
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {}
    )*};
}

text_schema!(
    ConnectorState like "Charging",
    Location like "Outlet",
    Measurand like "Energy.Active.Import.Register",
    TokenKind like "ISO14443",
);
