//! Schemas of the types that are written as a plain text, for the OpenAPI document.

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

use crate::{ConnectorState, Location, Measurand, SiteId, StationId, TokenKind, TokenUid};

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

macro_rules! id_schema {
    ($($name:ident like $example:literal, $what:literal);* $(;)?) => {$(
        impl utoipa::PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($what))
                    .min_length(Some(1))
                    .max_length(Some($name::MAX_CHARS))
                    // No control characters: those are what `char::is_control` names.
                    .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]+$"))
                    .examples([$example])
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {}
    )*};
}

id_schema!(
    StationId like "CP-0001", "A charger's identity, as the last segment of the URL it connects to names it.";
    SiteId like "depot-north", "A site: stations behind one grid connection.";
    TokenUid like "04A1B2C3D4E5F6", "What a driver identifies with; compared without regard to case.";
);
