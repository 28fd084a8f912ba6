//! No text panics the reader of frames, and what is salvaged is a message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ocpp::frame;

fuzz_target!(|text: &str| {
    if frame::parse(text).is_err()
        && let Some(salvaged) = frame::salvage(text)
    {
        assert!(frame::parse(&salvaged).is_ok(), "{salvaged:?}");
    }
});
