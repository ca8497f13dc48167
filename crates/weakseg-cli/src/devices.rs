//! `--devices`: several devices that share the batches of a training.

use anyhow::Result;
use burn::tensor::Device;
use clap::Args;
use weakseg::train::FurtherDevice;

use crate::device::Choice;
use crate::exit::usage;

/// What `--devices` asks for; nothing if it is not given.
#[derive(Debug, Default, Args)]
pub struct Devices {
    /// Devices of one kind that share the batches of every optimizer step, such as vulkan:0,vulkan:1, in place of
    /// --device. All else runs on the first. accumulate of each training must be a multiple of their number.
    #[arg(long, value_name = "DEVICE,DEVICE", value_delimiter = ',')]
    devices: Vec<Choice>,
}

impl Devices {
    /// The device where networks run, its name, and the devices that trainings run on too: the ones that `--devices`
    /// names or, without it, the one of `--device`.
    ///
    /// # Errors
    /// [`crate::exit::Usage`] if they do not go together, or with `--device`; those of [`Choice::open`].
    pub fn open(&self, device: Choice) -> Result<(Device, String, Vec<FurtherDevice>)> {
        let Some((&first, further)) = self.devices.split_first() else {
            let (device, name) = device.open()?;
            return Ok((device, name, Vec::new()));
        };
        self.check(device)?;
        let (device, name) = first.open()?;
        let mut opened = Vec::with_capacity(further.len());
        for choice in further {
            let (device, name) = choice.open()?;
            opened.push(FurtherDevice { device, name });
        }
        Ok((device, name, opened))
    }

    fn check(&self, device: Choice) -> Result<()> {
        let names: Vec<String> = self.devices.iter().map(ToString::to_string).collect();
        let names = names.join(",");
        if device != Choice::Auto {
            return usage(format!(
                "--device {device} and --devices {names} exclude each other; leave one of them out"
            ));
        }
        for (place, &choice) in self.devices.iter().enumerate() {
            if choice == Choice::Auto {
                return usage(format!(
                    "--devices {names}: auto chooses one device; name them, such as vulkan:0,vulkan:1"
                ));
            }
            let first = self.devices[0];
            if choice.kind() != first.kind() {
                return usage(format!(
                    "--devices {names}: {first} and {choice} are of two kinds, which compute in different ways; name devices \
                     of one kind"
                ));
            }
            let same = |other: &Choice| other.number() == choice.number();
            if choice != Choice::Cpu && self.devices[..place].iter().any(same) {
                return usage(format!(
                    "--devices {names}: {choice} is named twice, but one GPU would compute both shares one after the other and \
                     hold the network twice; name each once (only cpu may be repeated, to try how it works)"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        devices: Devices,
    }

    fn parsed(text: &str) -> Result<Devices, clap::Error> {
        Line::try_parse_from(["weakseg", "--devices", text]).map(|line| line.devices)
    }

    /// What is said against some devices beside a `--device`.
    fn refused(text: &str, device: Choice) -> String {
        let devices = parsed(text).expect("devices");
        let error = devices.open(device).map(drop).expect_err(text);
        assert!(error.is::<crate::exit::Usage>(), "{text}: {error}");
        error.to_string()
    }

    #[test]
    fn without_it_there_is_the_one_of_device() {
        let (_, name, further) = Devices::default().open(Choice::Cpu).expect("the CPU");
        assert_eq!((name.as_str(), further.len()), ("cpu", 0));
    }

    #[test]
    fn the_first_is_where_all_runs_and_the_others_help() {
        for (text, helpers) in [("cpu", 0), ("cpu,cpu", 1), ("cpu,cpu,cpu", 2)] {
            let devices = parsed(text).expect("devices");
            let (first, name, further) = devices.open(Choice::Auto).expect("the CPU");
            assert_eq!((name.as_str(), further.len()), ("cpu", helpers), "{text}");
            assert_eq!(first, Device::flex());
            for device in further {
                assert_eq!(
                    (device.device, device.name.as_str()),
                    (Device::flex(), "cpu")
                );
            }
        }
        let devices = parsed("vulkan:1,vulkan").expect("devices").devices;
        assert_eq!(devices, [Choice::Vulkan(Some(1)), Choice::Vulkan(None)]);
    }

    #[test]
    fn what_does_not_go_together_is_a_usage_error() {
        for text in ["", "cpu,", "cpu;cpu", "cpu,gpu", "cpu:0,cpu:1"] {
            assert!(parsed(text).is_err(), "{text}");
        }
        for (text, words) in [
            ("cpu,cuda:0", "cpu and cuda:0 are of two kinds"),
            ("vulkan,wgpu", "vulkan and wgpu are of two kinds"),
            ("auto,auto", "auto chooses one device"),
            ("cpu,auto", "auto chooses one device"),
            ("cuda:1,cuda:0,cuda:1", "cuda:1 is named twice"),
            // Without a number it is the first.
            ("vulkan,vulkan:0", "vulkan:0 is named twice"),
            ("metal,metal", "metal is named twice"),
        ] {
            let message = refused(text, Choice::Auto);
            assert!(message.contains(words), "{text}: {message}");
        }
        let message = refused("cpu,cpu", Choice::Cpu);
        assert!(message.contains("exclude each other"), "{message}");
        // Where the devices go together, what is missing is said as for one.
        if !crate::device::built().contains(&"cuda") {
            let message = refused("cuda:0,cuda:1", Choice::Auto);
            assert!(message.contains("this build has no cuda"), "{message}");
        }
    }
}
