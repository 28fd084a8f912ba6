//! A thousand lives of sites in which all fails; `examples/interleavings.rs` plays a million.

mod world;

use world::{Mutant, live};

#[test]
fn no_limit_is_exceeded_whatever_fails() {
    let mut applied = 0;
    for seed in 0..1_000 {
        let life = live(seed, Mutant::None);
        assert_eq!(life.violation, None, "seed {seed}");
        applied += life.applied;
    }
    assert!(
        applied > 5_000,
        "so little was granted that nothing could fail: {applied}"
    );
}

#[test]
fn controllers_that_are_wrong_are_found_out() {
    for mutant in Mutant::ALL {
        let found = (0..1_000).find(|seed| live(*seed, mutant).violation.is_some());
        assert!(found.is_some(), "nobody notices {mutant:?}");
    }
}
