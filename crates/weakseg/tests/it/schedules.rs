//! A hundred learning rates of every schedule beside PyTorch's schedulers.

use serde_json::Value;
use weakseg::optim::{Better, Plateau, ScheduleConfig};

use crate::toy::floats;

/// In double precision on both sides; PyTorch multiplies step by step where we have the closed form.
const TOLERANCE: f64 = 1e-9;

fn oracle() -> Value {
    serde_json::from_str(include_str!("../oracle/schedules.json")).expect("JSON")
}

fn schedule(settings: &str) -> ScheduleConfig {
    let schedule: ScheduleConfig = toml::from_str(settings).expect("a schedule");
    schedule.check().expect("in range");
    schedule
}

fn compare(name: &str, oracle: &Value, rate: impl FnMut(usize) -> f64) {
    let recorded = floats(&oracle[name]);
    assert_eq!(recorded.len(), 100);
    let ours: Vec<f64> = (0..100).map(rate).collect();
    for (t, (a, b)) in ours.iter().zip(&recorded).enumerate() {
        assert!((a - b).abs() < TOLERANCE, "{name}, step {t}: {a} not {b}");
    }
    assert!(
        recorded.iter().any(|b| (b - recorded[0]).abs() > 1e-3),
        "{name} does something"
    );
}

#[test]
fn a_hundred_rates_equal_pytorch() {
    let oracle = oracle();
    let base = oracle["base"].as_f64().expect("a rate");
    let floor = "min_factor = 0.02";
    for (name, settings) in [
        ("step", "kind = \"step\"\ngamma = 0.5".to_owned()),
        ("poly", "kind = \"poly\"".to_owned()),
        ("poly_floor", "kind = \"poly\"\npower = 2.0\nmin_factor = 0.1".to_owned()),
        ("cosine", format!("kind = \"cosine\"\n{floor}")),
        ("restarts", "kind = \"cosine-restarts\"\nperiod = 30".to_owned()),
        (
            "restarts_longer",
            format!("kind = \"cosine-restarts\"\nperiod = 10\nperiod_factor = 2\n{floor}"),
        ),
        ("warm_constant", "kind = \"constant\"\nwarmup_steps = 20".to_owned()),
        ("warm_poly", "kind = \"poly\"\nwarmup_steps = 20\nwarmup = \"sequential\"".to_owned()),
        ("warm_cosine", "kind = \"cosine\"\nwarmup_steps = 20\nwarmup = \"sequential\"".to_owned()),
        (
            "warm_restarts",
            "kind = \"cosine-restarts\"\nperiod = 16\nperiod_factor = 2\nwarmup_steps = 20\nwarmup = \"sequential\""
                .to_owned(),
        ),
        ("chained_poly", "kind = \"poly\"\nwarmup_steps = 20".to_owned()),
        ("chained_step", "kind = \"step\"\ngamma = 0.5\nwarmup_steps = 20".to_owned()),
    ] {
        // One step an epoch: what counts epochs and what counts steps are then the same.
        for per in ["iteration", "epoch"] {
            if per == "epoch" && settings.contains("sequential") {
                continue; // epochs are not counted from the end of warm-up
            }
            let schedule = schedule(&format!("{settings}\nper = \"{per}\""));
            compare(name, &oracle, |t| base * schedule.factor(t, 100, t, 100));
        }
    }
}

#[test]
fn a_plateau_equals_pytorchs() {
    let oracle = oracle();
    let base = oracle["base"].as_f64().expect("a rate");
    let figures = floats(&oracle["figures"]);
    assert!(figures.iter().any(|f| f.is_nan()));
    for (name, better, sign, settings) in [
        (
            "plateau_min",
            Better::Lower,
            1.0,
            "factor = 0.5\npatience = 3\nthreshold = 0.01\ncooldown = 2\nmin_factor = 0.01",
        ),
        (
            "plateau_max",
            Better::Higher,
            -1.0,
            "factor = 0.3\npatience = 2\nmin_factor = 1e-6",
        ),
    ] {
        let schedule = schedule(&format!("kind = \"plateau\"\n{settings}"));
        let mut plateau = Plateau::default();
        compare(name, &oracle, |t| {
            let rate = base * plateau.factor * schedule.factor(t, 100, t, 100);
            plateau.watch(&schedule, better, sign * figures[t]);
            rate
        });
    }
}

/// lr·(1 + cos(π·t/T))/2/(restarts + 1), T doubled at each restart (reference §1.5), written out once more.
#[test]
fn irnets_restarts_are_damped() {
    let schedule = schedule(
        "kind = \"cosine-restarts\"\nperiod = 12\nperiod_factor = 2\ndamped_restarts = true",
    );
    let (mut local, mut length, mut restarts) = (0, 12, 0);
    for t in 0..100 {
        if local >= length {
            (local, length, restarts) = (0, length * 2, restarts + 1);
        }
        let share = f64::from(local) / f64::from(length);
        let wanted = (1.0 + (std::f64::consts::PI * share).cos()) / 2.0 / f64::from(restarts + 1);
        let found = schedule.factor(t, 100, 0, 1);
        assert!(
            (found - wanted).abs() < 1e-12,
            "step {t}: {found} not {wanted}"
        );
        local += 1;
    }
}
