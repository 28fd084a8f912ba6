//! The controller, step by step, where the order of things is what matters.

use power::{
    Alarm, Answer, Cap, Command, Controller, Feed, Method, Node, Outlet, Phase, Settings, Site,
    Steps, Wish,
};

const SECOND_MS: i64 = 1_000;

/// Two single-phase outlets that share 30 A.
fn site(floor_a: f64) -> Site {
    let outlet = |station: &str| Outlet {
        station: station.into(),
        evse: 1,
        feed: Feed::Phases(vec![Phase::L1]),
        most_a: 32.0,
        floor_a,
        steps: Steps::From(6.0),
        unlimitable: false,
    };
    let root = Node {
        name: "grid".into(),
        most_a: Some([30.0; 3]),
        most_w: None,
        unmanaged_a: [0.0; 3],
        caps: Vec::new(),
        nodes: Vec::new(),
        outlets: vec![outlet("A"), outlet("B")],
    };
    Site::new(&root, 230.0).expect("a site that can be")
}

/// A controller that has learned, with its stations online, and the time.
fn controller(floor_a: f64) -> (Controller, i64) {
    let settings = Settings::default();
    let mut controller = Controller::new(site(floor_a), settings, 1, &[true, true], 0);
    controller.online(0, true);
    controller.online(1, true);
    assert!(
        controller.reconcile(0).commands.is_empty(),
        "it learns first"
    );
    (controller, settings.lasts_ms())
}

fn wish(session: u64) -> Option<Wish> {
    Some(Wish {
        session,
        most_a: 32.0,
        weight: 1.0,
        need: None,
        served: false,
    })
}

fn accept(controller: &mut Controller, commands: &[Command], now_ms: i64) {
    for command in commands {
        controller.answered(command.outlet, command.id, Answer::Accepted, now_ms);
    }
}

fn sent(commands: &[Command]) -> Vec<(usize, f64)> {
    commands
        .iter()
        .map(|command| (command.outlet, command.amps))
        .collect()
}

#[test]
fn a_newcomer_waits_until_what_was_granted_before_has_ended() {
    let (mut controller, start_ms) = controller(0.0);
    controller.wish(0, wish(1), start_ms);
    let first = controller.reconcile(start_ms).commands;
    assert_eq!(sent(&first), [(0, 30.0)]);
    accept(&mut controller, &first, start_ms);

    controller.wish(1, wish(2), start_ms);
    let mut now_ms = start_ms + SECOND_MS;
    let lowered = controller.reconcile(now_ms).commands;
    assert_eq!(
        sent(&lowered),
        [(0, 15.0)],
        "the decrease goes out, the increase does not"
    );
    accept(&mut controller, &lowered, now_ms);
    loop {
        now_ms += SECOND_MS;
        let commands = controller.reconcile(now_ms).commands;
        accept(&mut controller, &commands, now_ms);
        if commands.iter().any(|command| command.outlet == 1) {
            assert!(sent(&commands).contains(&(1, 15.0)));
            break;
        }
        assert!(
            now_ms < start_ms + 61 * SECOND_MS,
            "it waits for longer than a lease"
        );
    }
    assert!(now_ms >= first[0].ends_ms + Settings::default().margin_ms);
}

#[test]
fn a_session_that_ends_makes_room_at_once() {
    let (mut controller, now_ms) = controller(0.0);
    controller.wish(0, wish(1), now_ms);
    controller.reconcile(now_ms);
    controller.wish(1, wish(2), now_ms);
    controller.wish(0, None, now_ms);
    assert_eq!(sent(&controller.reconcile(now_ms).commands), [(1, 30.0)]);
}

#[test]
fn an_offline_outlet_is_booked_at_its_lease_then_at_its_floor() {
    let (mut controller, now_ms) = controller(6.0);
    controller.wish(0, wish(1), now_ms);
    controller.reconcile(now_ms);
    controller.online(0, false);
    controller.wish(1, wish(2), now_ms);
    assert!(controller.reconcile(now_ms + SECOND_MS).commands.is_empty());
    assert_eq!(controller.booked_a(0), 24.0);
    let later_ms = now_ms + Settings::default().lasts_ms();
    assert_eq!(sent(&controller.reconcile(later_ms).commands), [(1, 24.0)]);
    assert_eq!(controller.booked_a(0), 6.0, "never 0: it has its floor");
}

#[test]
fn a_cut_has_its_decreases_out_at_once_and_silence_gets_no_more() {
    let (mut controller, now_ms) = controller(0.0);
    controller.wish(0, wish(1), now_ms);
    controller.wish(1, wish(2), now_ms);
    assert_eq!(
        sent(&controller.reconcile(now_ms).commands),
        [(0, 15.0), (1, 15.0)]
    );
    let cap = Cap {
        from_ms: now_ms,
        until_ms: None,
        recurs: None,
        most_a: Some([16.0; 3]),
        most_w: None,
    };
    controller
        .site_mut()
        .add_cap(0, cap)
        .expect("a cap that can be");
    let plan = controller.reconcile(now_ms);
    assert_eq!(sent(&plan.commands), [(0, 8.0), (1, 8.0)]);
    assert!(
        plan.alarms.contains(&Alarm::Exceeded(0)),
        "until the leases of before have ended"
    );
    let silent = controller.reconcile(now_ms + 31 * SECOND_MS);
    assert!(silent.commands.is_empty());
    assert!(silent.alarms.contains(&Alarm::Silent(0)));
}

fn refuse(controller: &mut Controller, commands: &[Command], now_ms: i64) {
    for command in commands {
        controller.answered(command.outlet, command.id, Answer::Refused, now_ms);
    }
}

#[test]
fn a_refused_grant_is_booked_until_it_would_end_and_tried_again_less_and_less_often() {
    let (mut controller, mut now_ms) = controller(6.0);
    controller.wish(0, wish(1), now_ms);
    controller.wish(1, wish(2), now_ms);
    let settings = Settings::default();
    let mut tried_ms = Vec::new();
    for _ in 0..1_000 {
        let commands = controller.reconcile(now_ms).commands;
        let (refused, others): (Vec<Command>, Vec<Command>) =
            commands.iter().partition(|it| it.outlet == 0);
        refuse(&mut controller, &refused, now_ms);
        accept(&mut controller, &others, now_ms);
        // Both are seen to draw what they have.
        controller.measured(0, 6.0, now_ms, now_ms);
        let other_a = controller.view(1, now_ms).granted_a;
        controller.measured(1, other_a, now_ms, now_ms);
        assert_eq!(controller.view(0, now_ms).granted_a, 6.0);
        if let Some(command) = refused.first() {
            assert_eq!(controller.booked_a(0), command.amps, "it may be a lie");
            tried_ms.push(now_ms);
        }
        let last_ms = *tried_ms.last().expect("it was tried");
        if now_ms - last_ms >= settings.lasts_ms() {
            assert_eq!(controller.booked_a(0), 6.0);
        }
        if (now_ms - last_ms > 2 * settings.lasts_ms()) && now_ms - last_ms < settings.refused_ms {
            assert_eq!(other_a, 24.0, "it has the rest");
        }
        now_ms += SECOND_MS;
    }
    // The other one makes room each time before it is tried.
    let room_ms = settings.lasts_ms();
    let after_ms = tried_ms.windows(2).map(|it| it[1] - it[0]);
    for (after_ms, pause_ms) in after_ms.zip([settings.refused_ms, 2 * settings.refused_ms]) {
        let expected_ms = pause_ms..=pause_ms + room_ms;
        assert!(expected_ms.contains(&after_ms), "{tried_ms:?}");
    }
    assert_eq!(tried_ms.len(), 3);
}

#[test]
fn a_renewal_that_is_refused_leaves_what_was_taken_before_and_is_tried_again_while_that_lasts() {
    let (mut controller, start_ms) = controller(6.0);
    let settings = Settings::default();
    controller.wish(0, wish(1), start_ms);
    let first = controller.reconcile(start_ms).commands;
    accept(&mut controller, &first, start_ms);
    let ends_ms = first[0].ends_ms;
    let mut tried = 0;
    for second in 1..100 {
        let now_ms = start_ms + second * SECOND_MS;
        controller.measured(0, 6.0, now_ms, now_ms);
        let commands = controller.reconcile(now_ms).commands;
        refuse(&mut controller, &commands, now_ms);
        tried += commands.len();
        let has_a = if now_ms < ends_ms { 24.0 } else { 6.0 };
        assert_eq!(controller.view(0, now_ms).granted_a, has_a);
        assert!(now_ms < ends_ms || commands.is_empty());
    }
    assert_eq!(tried, 2, "a renewal each {} ms", settings.renew_ms);
}

#[test]
fn who_draws_more_than_it_may_is_booked_at_all_it_can_draw() {
    let (mut controller, now_ms) = controller(0.0);
    controller.wish(0, wish(1), now_ms);
    controller.wish(1, wish(2), now_ms);
    let granted = controller.reconcile(now_ms).commands;
    accept(&mut controller, &granted, now_ms);
    controller.measured(0, 15.5, now_ms + SECOND_MS, now_ms + SECOND_MS);
    assert_eq!(controller.booked_a(0), 15.0, "a meter is not exact");
    controller.measured(0, 20.0, now_ms + SECOND_MS, now_ms + SECOND_MS);
    assert_eq!(controller.booked_a(0), 32.0);
    let commands = controller.reconcile(now_ms + SECOND_MS).commands;
    assert_eq!(sent(&commands), [(1, 0.0)], "the other makes room");
    assert!(
        controller
            .reconcile(now_ms + 2 * SECOND_MS)
            .alarms
            .contains(&Alarm::Overdrawn(0))
    );
}

#[test]
fn who_was_seen_to_draw_more_is_trusted_again_only_when_its_meter_shows_for_a_lease_that_it_does_not()
 {
    let lasts_ms = Settings::default().lasts_ms();
    let suspected = || {
        let (mut controller, now_ms) = controller(0.0);
        controller.wish(0, wish(1), now_ms);
        controller.wish(1, wish(2), now_ms);
        let granted = controller.reconcile(now_ms).commands;
        accept(&mut controller, &granted, now_ms);
        controller.measured(0, 30.0, now_ms, now_ms);
        (controller, now_ms)
    };
    let (mut ignores, begun_ms) = suspected();
    for second in (0..600).step_by(10) {
        let now_ms = begun_ms + second * SECOND_MS;
        ignores.measured(0, 30.0, now_ms, now_ms);
        let alarms = ignores.reconcile(now_ms).alarms;
        assert_eq!(ignores.booked_a(0), 32.0, "after {second} s");
        assert!(alarms.contains(&Alarm::Overdrawn(0)));
    }
    let (mut vanishes, begun_ms) = suspected();
    vanishes.online(0, false);
    vanishes.reconcile(begun_ms + 10 * lasts_ms);
    assert_eq!(vanishes.booked_a(0), 32.0);

    let (mut obeys, begun_ms) = suspected();
    obeys.reconcile(begun_ms + 2 * lasts_ms);
    for (after_ms, booked_a) in [(0, 32.0), (lasts_ms - 1, 32.0), (lasts_ms, 0.0)] {
        let now_ms = begun_ms + 2 * lasts_ms + after_ms;
        obeys.measured(0, 0.0, now_ms, now_ms);
        assert_eq!(obeys.booked_a(0), booked_a, "{after_ms} ms");
    }
}

#[test]
fn a_new_session_or_a_car_that_is_full_does_not_clear_a_station_that_a_limit_that_binds_does() {
    let lasts_ms = Settings::default().lasts_ms();
    let (mut controller, begun_ms) = controller(6.0);
    controller.wish(0, wish(1), begun_ms);
    controller.wish(1, wish(2), begun_ms);
    controller.reconcile(begun_ms);
    controller.measured(0, 30.0, begun_ms, begun_ms);
    let mut now_ms = begun_ms;
    let mut pass = |controller: &mut Controller, session: Option<u64>, amps: f64| {
        controller.wish(0, session.and_then(wish), now_ms);
        let end_ms = now_ms + 2 * lasts_ms;
        while now_ms < end_ms {
            now_ms += 10 * SECOND_MS;
            let commands = controller.reconcile(now_ms).commands;
            accept(controller, &commands, now_ms);
            if session.is_some() {
                controller.measured(0, amps, now_ms, now_ms);
            }
        }
        controller.booked_a(0)
    };
    assert_eq!(pass(&mut controller, Some(1), 0.0), 32.0, "it is full");
    assert_eq!(pass(&mut controller, None, 0.0), 32.0, "it is gone");
    assert_eq!(
        pass(&mut controller, Some(3), 2.0),
        32.0,
        "it is nearly full"
    );
    assert!(
        pass(&mut controller, Some(4), 6.0) < 32.0,
        "it is held to its floor"
    );
}

#[test]
fn a_schedule_that_agrees_clears_another_schedule_and_no_meter() {
    let lasts_ms = Settings::default().lasts_ms();
    let suspected = |by_meter: bool| {
        let (mut controller, begun_ms) = controller(6.0);
        controller.wish(0, wish(1), begun_ms);
        controller.reconcile(begun_ms);
        match by_meter {
            true => controller.measured(0, 30.0, begun_ms, begun_ms),
            false => controller.shown(0, 30.0, begun_ms, begun_ms),
        }
        assert_eq!(controller.booked_a(0), 32.0);
        for at_ms in [begun_ms + SECOND_MS, begun_ms + SECOND_MS + lasts_ms] {
            controller.shown(0, 24.0, at_ms, at_ms);
        }
        controller.booked_a(0)
    };
    assert_eq!(suspected(false), 24.0);
    assert_eq!(suspected(true), 32.0, "a schedule is only words");
}

#[test]
fn what_draws_more_than_its_floor_when_the_learning_ends_is_not_granted_on_trust() {
    let (mut controller, learnt_ms) = controller(0.0);
    controller.wish(0, wish(1), 0);
    controller.wish(1, wish(2), 0);
    controller.measured(0, 30.0, learnt_ms - SECOND_MS, learnt_ms - SECOND_MS);
    let plan = controller.reconcile(learnt_ms);
    assert!(plan.commands.is_empty(), "{:?}", plan.commands);
    assert!(plan.alarms.contains(&Alarm::Overdrawn(0)));
    controller.measured(0, 0.0, learnt_ms + SECOND_MS, learnt_ms + SECOND_MS);
    let plan = controller.reconcile(learnt_ms + SECOND_MS);
    assert_eq!(sent(&plan.commands), [(0, 15.0), (1, 15.0)]);
}

#[test]
fn an_outlet_without_its_floor_is_booked_at_all_it_can_draw_and_told_nothing() {
    let (mut controller, now_ms) = controller(0.0);
    controller.has_no_floor(0);
    controller.wish(0, wish(1), now_ms);
    controller.wish(1, wish(2), now_ms);
    let plan = controller.reconcile(now_ms);
    assert!(plan.commands.is_empty());
    assert_eq!(plan.alarms, [Alarm::CannotLimit(0), Alarm::Exceeded(0)]);
    controller.has_floor(0, now_ms);
    assert_eq!(
        sent(&controller.reconcile(now_ms).commands),
        [(0, 15.0), (1, 15.0)]
    );
}

#[test]
fn what_it_drew_before_it_had_its_floor_is_no_disobedience_when_a_meter_tells_it_shortly_after() {
    let (mut controller, now_ms) = controller(6.0);
    controller.has_no_floor(0);
    controller.wish(0, wish(1), now_ms);
    controller.reconcile(now_ms);
    controller.has_floor(0, now_ms);
    let [soon_ms, late_ms] = [1, 20].map(|seconds| now_ms + seconds * SECOND_MS);
    controller.measured(0, 32.0, soon_ms, soon_ms);
    assert!(
        !controller
            .reconcile(soon_ms)
            .alarms
            .contains(&Alarm::Overdrawn(0))
    );
    controller.measured(0, 32.0, late_ms, late_ms);
    assert!(
        controller
            .reconcile(late_ms)
            .alarms
            .contains(&Alarm::Overdrawn(0))
    );
}

#[test]
fn the_site_is_at_its_floors_one_lease_after_the_hub_is_gone() {
    let settings = Settings::default();
    assert!(settings.lasts_ms() <= 60 * SECOND_MS);
    let (mut controller, now_ms) = controller(6.0);
    controller.wish(0, wish(1), now_ms);
    let granted = controller.reconcile(now_ms).commands;
    assert!(
        granted
            .iter()
            .all(|command| command.ends_ms <= now_ms + settings.lease_ms)
    );
}

#[test]
fn a_controller_that_is_told_its_predecessors_grants_goes_on_at_once_and_books_them() {
    let settings = Settings::default();
    let mut controller = Controller::new(site(0.0), settings, 2, &[true, true], 0);
    controller.recall(&[(0, 24.0, 40 * SECOND_MS)], 0);
    assert!(!controller.is_learning(0));
    controller.online(0, true);
    controller.online(1, true);
    controller.wish(1, wish(2), 0);
    assert_eq!(controller.booked_a(0), 24.0, "whatever charges there");
    let first = controller.reconcile(0).commands;
    assert_eq!(sent(&first), [(1, 6.0)]);
    accept(&mut controller, &first, 0);
    let ended_ms = 40 * SECOND_MS + settings.margin_ms;
    let renewed = controller.reconcile(ended_ms - 1).commands;
    accept(&mut controller, &renewed, ended_ms - 1);
    assert_eq!(controller.booked_a(0), 24.0, "its clock may be behind");
    let commands = controller.reconcile(ended_ms).commands;
    assert!(sent(&commands).contains(&(1, 30.0)), "{commands:?}");
}

#[test]
fn a_controller_lowers_at_once_what_its_predecessor_granted_above_a_limit_that_came_between() {
    let settings = Settings::default();
    let mut controller = Controller::new(site(0.0), settings, 2, &[true, true], 0);
    let ends_ms = 90 * SECOND_MS;
    controller.recall(&[(0, 15.0, ends_ms), (1, 15.0, ends_ms)], 0);
    let cap = Cap {
        from_ms: 0,
        until_ms: None,
        recurs: None,
        most_a: Some([16.0; 3]),
        most_w: None,
    };
    controller.site_mut().add_cap(0, cap).expect("it can be");
    for outlet in [0, 1] {
        controller.online(outlet, true);
        controller.wish(outlet, wish(1), 0);
    }
    let lowered = controller.reconcile(0).commands;
    let nobody_knows = "how much each of them has in truth";
    assert_eq!(sent(&lowered), [(0, 0.0), (1, 0.0)], "{nobody_knows}");
    accept(&mut controller, &lowered, 0);
    assert!(controller.reconcile(SECOND_MS).commands.is_empty());
    let over_ms = ends_ms + settings.margin_ms;
    assert_eq!(
        sent(&controller.reconcile(over_ms).commands),
        [(0, 8.0), (1, 8.0)]
    );
}

#[test]
fn the_others_make_room_for_who_leaves_a_decrease_unanswered() {
    let (mut controller, start_ms) = controller(0.0);
    for outlet in [0, 1] {
        controller.wish(outlet, wish(1), start_ms);
    }
    let first = controller.reconcile(start_ms).commands;
    accept(&mut controller, &first, start_ms);
    let cap = Cap {
        from_ms: start_ms,
        until_ms: None,
        recurs: None,
        most_a: Some([20.0; 3]),
        most_w: None,
    };
    controller.site_mut().add_cap(0, cap).expect("it can be");
    let lowered = controller.reconcile(start_ms).commands;
    assert_eq!(sent(&lowered), [(0, 10.0), (1, 10.0)]);
    accept(&mut controller, &lowered[..1], start_ms);
    let soon_ms = start_ms + 3 * SECOND_MS;
    assert!(controller.reconcile(soon_ms).commands.is_empty());
    let more = controller.reconcile(soon_ms + 1).commands;
    assert_eq!(sent(&more), [(0, 0.0)], "5 A are too few to charge");
    let plan = controller.reconcile(soon_ms + 1);
    assert!(!plan.alarms.contains(&Alarm::Silent(1)), "it is only late");
}

#[test]
fn an_outlet_that_obeys_draws_no_more_than_was_accepted_once_it_had_the_time_to_follow_or_is_seen_to()
 {
    let (mut controller, start_ms) = controller(0.0);
    controller.wish(0, wish(1), start_ms);
    let first = controller.reconcile(start_ms).commands;
    accept(&mut controller, &first, start_ms);
    let cut = |most_a: f64| Cap {
        from_ms: start_ms,
        until_ms: None,
        recurs: None,
        most_a: Some([most_a; 3]),
        most_w: None,
    };
    let lower = |controller: &mut Controller, most_a: f64, now_ms: i64| {
        controller
            .site_mut()
            .add_cap(0, cut(most_a))
            .expect("it can be");
        let lowered = controller.reconcile(now_ms).commands;
        accept(controller, &lowered, now_ms);
    };
    let follows_a = |controller: &Controller, at_ms: i64| controller.follows_a(0, at_ms, at_ms);
    lower(&mut controller, 20.0, start_ms);
    let late_ms = start_ms + 5 * SECOND_MS;
    assert_eq!(follows_a(&controller, late_ms), 30.0, "not seen to obey");
    controller.measured(0, 30.0, start_ms + SECOND_MS, start_ms + SECOND_MS);
    assert_eq!(follows_a(&controller, late_ms - 1), 30.0);
    assert_eq!(follows_a(&controller, late_ms), 20.0);
    assert_eq!(controller.booked_a(0), 30.0, "which is another matter");
    // It is seen to follow the next one sooner, and the one after that not yet.
    lower(&mut controller, 16.0, late_ms);
    let seen_ms = late_ms + SECOND_MS;
    controller.measured(0, 16.0, seen_ms, seen_ms);
    assert_eq!(follows_a(&controller, seen_ms), 16.0);
    lower(&mut controller, 10.0, seen_ms);
    controller.measured(0, 16.0, seen_ms + 8 * SECOND_MS, seen_ms + 8 * SECOND_MS);
    assert_eq!(follows_a(&controller, seen_ms + 9 * SECOND_MS), 16.0);
    assert_eq!(follows_a(&controller, seen_ms + 10 * SECOND_MS), 10.0);
}

#[test]
fn who_has_more_than_its_floor_and_shows_nothing_is_booked_at_all_it_can_draw_until_it_does() {
    let settings = Settings::default();
    let (mut controller, begun_ms) = controller(6.0);
    controller.wish(0, wish(1), begun_ms);
    let mut alarms = Vec::new();
    let mut pass = |controller: &mut Controller, from_ms: i64, to_ms: i64, sees: bool| {
        for now_ms in (from_ms..=to_ms).step_by(5_000) {
            if sees {
                controller.measured(0, 5.0, now_ms, now_ms);
            }
            let plan = controller.reconcile(now_ms);
            accept(controller, &plan.commands, now_ms);
            alarms = plan.alarms;
        }
        alarms.clone()
    };
    let unseen_ms = begun_ms + settings.verify_ms;
    assert_eq!(pass(&mut controller, begun_ms, unseen_ms, false), []);
    assert_eq!(controller.booked_a(0), 24.0);
    let later_ms = unseen_ms + 10 * settings.verify_ms;
    let alarms = pass(&mut controller, unseen_ms + 5_000, later_ms, false);
    assert_eq!(alarms, [Alarm::Unverified(0), Alarm::Exceeded(0)]);
    assert_eq!(controller.booked_a(0), 32.0);
    assert_eq!(controller.view(0, later_ms).granted_a, 24.0, "it goes on");
    // Its leases end while it is away: it was not seen to obey them.
    controller.online(0, false);
    controller.reconcile(later_ms + 2 * settings.lasts_ms());
    assert_eq!(controller.booked_a(0), 32.0);
    controller.online(0, true);
    let seen_ms = later_ms + 3 * settings.lasts_ms();
    assert_eq!(pass(&mut controller, seen_ms, seen_ms + 5_000, true), []);
    assert_eq!(controller.booked_a(0), 24.0, "one reading shows it");
    let end_ms = seen_ms + 10 * settings.verify_ms;
    assert_eq!(pass(&mut controller, seen_ms + 5_000, end_ms, true), []);
}

#[test]
fn who_has_no_more_than_its_floor_need_not_show_what_it_does() {
    let (mut controller, begun_ms) = controller(15.0);
    controller.wish(0, wish(1), begun_ms);
    controller.wish(1, wish(2), begun_ms);
    for now_ms in (begun_ms..begun_ms + 3_600_000).step_by(5_000) {
        assert_eq!(controller.reconcile(now_ms).alarms, []);
    }
    assert_eq!(controller.booked_a(0), 15.0);
}

#[test]
fn a_limit_that_was_known_to_come_raises_no_alarm_and_is_kept_when_it_comes() {
    let (mut controller, begun_ms) = controller(6.0);
    let cap = Cap {
        from_ms: begun_ms + 200 * SECOND_MS,
        until_ms: None,
        recurs: None,
        most_a: Some([16.0; 3]),
        most_w: None,
    };
    let site = controller.site_mut();
    site.add_cap(0, cap).expect("a cap that can be");
    controller.wish(0, wish(1), begun_ms);
    for second in 0..400 {
        let now_ms = begun_ms + second * SECOND_MS;
        controller.measured(0, 6.0, now_ms, now_ms);
        let plan = controller.reconcile(now_ms);
        accept(&mut controller, &plan.commands, now_ms);
        assert_eq!(plan.alarms, [], "second {second}");
        let granted_a = controller.view(0, now_ms).granted_a;
        match second {
            0..139 => assert_eq!(granted_a, 24.0, "second {second}"),
            200.. => assert_eq!(granted_a, 10.0, "second {second}"),
            _ => {}
        }
    }
}

/// A hundred outlets that come back one after the other to a controller that has learned, a fifth of them with one phase.
fn crowd(method: Method) -> (Controller, i64) {
    let turns = [
        [Phase::L1, Phase::L2, Phase::L3],
        [Phase::L2, Phase::L3, Phase::L1],
        [Phase::L3, Phase::L1, Phase::L2],
    ];
    let outlets = (0..100).map(|index| Outlet {
        station: format!("K{index}"),
        evse: 1,
        feed: Feed::Phases(turns[index % 3][..if index % 5 == 4 { 1 } else { 3 }].to_vec()),
        most_a: 32.0,
        floor_a: 6.0,
        steps: Steps::From(6.0),
        unlimitable: false,
    });
    let root = Node {
        name: "grid".into(),
        most_a: Some([900.0; 3]),
        most_w: None,
        unmanaged_a: [0.0; 3],
        caps: Vec::new(),
        nodes: Vec::new(),
        outlets: outlets.collect(),
    };
    let site = Site::new(&root, 230.0).expect("a site that can be");
    let mut settings = Settings::default();
    settings.rules.method = method;
    let controller = Controller::new(site, settings, 1, &[true; 100], 0);
    (controller, settings.lasts_ms())
}

/// What each outlet has.
fn granted(controller: &Controller, now_ms: i64) -> Vec<f64> {
    let granted = |outlet| controller.view(outlet, now_ms).granted_a;
    (0..100).map(granted).collect()
}

#[test]
fn what_a_crowd_gets_is_fair_and_settles_within_two_leases() {
    for method in [Method::Fair, Method::Urgent] {
        let (mut controller, start_ms) = crowd(method);
        for outlet in 0..100 {
            controller.online(outlet, true);
            controller.wish(outlet, wish(outlet as u64 + 1), start_ms);
        }
        // Each tells what it draws every ten seconds.
        for round in 1..2_000 {
            let now_ms = start_ms + round * 100;
            let before = granted(&controller, now_ms);
            let outlet = round as usize % 100;
            controller.measured(outlet, before[outlet], now_ms, now_ms);
            let commands = controller.reconcile(now_ms).commands;
            accept(&mut controller, &commands, now_ms);
            let is_change = |it: &&Command| (it.amps - before[it.outlet]).abs() > 0.05;
            let changes = commands.iter().filter(is_change).count();
            let is_settled = now_ms - start_ms > 2 * Settings::default().lasts_ms();
            assert!(
                !is_settled || changes == 0,
                "{method:?}, {round}: {changes}"
            );
        }
        let granted = granted(&controller, start_ms + 200_000);
        let (least, most) = granted.iter().fold((f64::MAX, 0_f64), |(least, most), it| {
            (least.min(*it), most.max(*it))
        });
        let steady_a = Settings::default().rules.steady_a;
        assert!(most - least < 2.0 * steady_a, "{method:?}: {granted:?}");
    }
}

#[test]
fn a_grant_whose_end_is_not_known_is_booked_until_a_lease_after_its_answer_or_after_its_station_went()
 {
    for answers in [true, false] {
        let (mut controller, start_ms) = controller(6.0);
        let lasts_ms = Settings::default().lasts_ms();
        controller.grants_float(0, true);
        controller.wish(0, wish(1), start_ms);
        let sent = controller.reconcile(start_ms).commands;
        let late_ms = start_ms + 300 * SECOND_MS;
        controller.reconcile(late_ms);
        assert_eq!(controller.booked_a(0), 24.0, "it may come at any time");
        if answers {
            accept(&mut controller, &sent, late_ms);
        }
        controller.online(0, false);
        controller.reconcile(late_ms);
        controller.reconcile(late_ms + lasts_ms - 1);
        assert_eq!(controller.booked_a(0), 24.0);
        controller.reconcile(late_ms + lasts_ms);
        assert_eq!(controller.booked_a(0), 6.0);
    }
}

#[test]
fn who_keeps_grants_while_offline_is_booked_at_its_last_until_it_has_its_floor_again() {
    let (mut controller, start_ms) = controller(6.0);
    controller.keeps_grants(0, true);
    controller.wish(0, wish(1), start_ms);
    let sent = controller.reconcile(start_ms).commands;
    accept(&mut controller, &sent, start_ms);
    controller.online(0, false);
    let late_ms = start_ms + 3_600 * SECOND_MS;
    controller.reconcile(late_ms);
    assert_eq!(controller.booked_a(0), 24.0);
    controller.wish(0, None, late_ms);
    controller.online(0, true);
    assert_eq!(controller.booked_a(0), 24.0, "it may still do as it did");
    controller.has_floor(0, late_ms);
    assert_eq!(controller.booked_a(0), 6.0);
}

#[test]
fn to_a_slow_station_nothing_but_decreases_is_queued_before_it_answers() {
    let (mut controller, start_ms) = controller(6.0);
    controller.patience(0, 60 * SECOND_MS);
    controller.wish(0, wish(1), start_ms);
    let sent = controller.reconcile(start_ms).commands;
    assert_eq!(sent.len(), 1);
    let renews_ms = start_ms + 20 * SECOND_MS;
    assert!(controller.reconcile(renews_ms).commands.is_empty());
    let alarms = controller.reconcile(renews_ms + 20 * SECOND_MS).alarms;
    assert!(!alarms.contains(&Alarm::Silent(0)), "it has time");
    accept(&mut controller, &sent, renews_ms);
    assert_eq!(controller.reconcile(renews_ms).commands.len(), 1);
}
