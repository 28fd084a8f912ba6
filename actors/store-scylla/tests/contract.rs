//! The rules of every store, on a real CQL server.

mod common;

async fn open() -> common::Opened {
    common::empty("contract").await
}

store::contract_tests!(open);
