//! A hundred steps of every optimizer beside PyTorch's.

use burn::optim::GradientsParams;
use burn::tensor::Device;
use serde_json::Value;
use weakseg::optim::{OptimConfig, OptimKind};

use crate::toy::{Toy, furthest, optimizer};

/// Both sides compute in single precision, in which a number of order 1 has a rounding of 6e-8, and sum in an order of
/// their own. The parameters stay of order 1 and the error is not amplified: 1e-6 is kept over all hundred steps.
const TOLERANCE: f64 = 1e-6;

#[test]
fn a_hundred_steps_of_two_groups_equal_pytorch() {
    let oracle: Value =
        serde_json::from_str(include_str!("../oracle/optimizers.json")).expect("JSON");
    let device = Device::flex().autodiff();
    let decayed = |kind| OptimConfig::adam(kind, 0.005, 0.1);
    for (name, config) in [
        ("sgd", OptimConfig::sgd(0.02, 0.9, 0.01)),
        (
            "sgd_reference",
            OptimConfig {
                kind: OptimKind::SgdReference,
                ..OptimConfig::sgd(0.02, 0.9, 0.01)
            },
        ),
        (
            "nesterov",
            OptimConfig {
                nesterov: true,
                ..OptimConfig::sgd(0.02, 0.9, 0.01)
            },
        ),
        ("adam", OptimConfig::adam(OptimKind::Adam, 0.005, 0.01)),
        ("adamw", decayed(OptimKind::AdamW)),
        ("radam", decayed(OptimKind::RAdam)),
    ] {
        let recorded = &oracle["network"][name];
        let rate = |key: &str| recorded[key].as_f64().expect("a rate");
        assert_eq!(config.lr, rate("lr"));
        let mut optimizer = optimizer(&config, rate("head_lr"));
        let mut net = Toy::new(&device);
        for t in 0..100 {
            let loss = net.loss(&[2 * t, 2 * t + 1], 0.5, &device);
            let gradients = GradientsParams::from_grads(loss.backward(), &net);
            net = optimizer.step(net, gradients, config.lr);
            if (t + 1) % 10 == 0 {
                let error = furthest(&net.numbers(), &recorded["rows"][t / 10]);
                assert!(
                    error < TOLERANCE,
                    "{name}, step {}: off by {error:e}",
                    t + 1
                );
            }
        }
    }
}
