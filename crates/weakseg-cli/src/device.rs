//! `--device`: where networks run. What is asked for is what is used, or the program ends with an error.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, anyhow, bail};
use burn::tensor::Device;
#[cfg(any(feature = "vulkan", feature = "wgpu"))]
use burn::tensor::DeviceKind;
#[cfg(feature = "gpu")]
use burn::tensor::DeviceType;
use weakseg_kernels::check_sound;

use crate::exit::usage;

/// What `--device` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The first GPU that this build and this machine have, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA GPU of this number, or the first.
    Cuda(Option<usize>),
    /// The Vulkan GPU of this number, or the best.
    Vulkan(Option<usize>),
    /// Apple's GPU.
    Metal,
    /// The best GPU through whichever graphics interface there is.
    Wgpu,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, number) = match text.split_once(':') {
            Some((kind, number)) => {
                let parsed = number.parse::<usize>();
                (
                    kind,
                    Some(parsed.map_err(|_| {
                        format!("`{number}` is no device number; expected 0, 1, …")
                    })?),
                )
            }
            None => (text, None),
        };
        match (kind, number) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("cuda", number) => Ok(Self::Cuda(number)),
            ("vulkan", number) => Ok(Self::Vulkan(number)),
            ("metal", None) => Ok(Self::Metal),
            ("wgpu", None) => Ok(Self::Wgpu),
            ("auto" | "cpu" | "metal" | "wgpu", Some(_)) => {
                Err(format!("`{kind}` takes no number"))
            }
            _ => Err("expected auto, cpu, cuda[:N], vulkan[:N], metal or wgpu".to_owned()),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cuda(Some(number)) | Self::Vulkan(Some(number)) => {
                write!(f, "{}:{number}", self.kind())
            }
            other => f.write_str(other.kind()),
        }
    }
}

/// Devices that this build can use, by name.
pub fn built() -> Vec<&'static str> {
    let all = [
        ("cpu", true),
        ("cuda", cfg!(feature = "cuda")),
        ("vulkan", cfg!(feature = "vulkan")),
        ("metal", cfg!(feature = "metal")),
        ("wgpu", cfg!(feature = "wgpu")),
    ];
    all.into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect()
}

impl Choice {
    /// The device, and its name. A GPU has given one right result by then.
    ///
    /// # Errors
    /// [`crate::exit::Usage`] if this build cannot use it; another error if this machine has none, or if it computes
    /// wrong results.
    pub fn open(self) -> Result<(Device, String)> {
        match self {
            Self::Cpu => return Ok((Device::flex(), "cpu".to_owned())),
            Self::Auto => return auto(),
            Self::Cuda(_) | Self::Vulkan(_) | Self::Metal | Self::Wgpu => {}
        }
        let number = self.number();
        let Some(mut devices) = self.devices() else {
            // CUDA was never built by us.
            let (feature, why) = match self {
                Self::Cuda(_) => (
                    "vulkan",
                    " and use --device vulkan, which drives the same cards; the feature cuda is untried",
                ),
                other => (other.kind(), ""),
            };
            return usage(format!(
                "--device {self}: this build has no {}, only {}; build one with `cargo build --release --features {feature}`{why}",
                self.kind(),
                built().join(", "),
            ));
        };
        if number >= devices.len() {
            bail!(
                "--device {self}: {}; choose another, or --device cpu",
                found(self.kind(), &devices)
            );
        }
        let device = devices.swap_remove(number);
        let shown = shown(&self.to_string(), &device);
        sound(&device, &shown)?;
        Ok((device, shown))
    }

    /// For commands without networks: refuses a device that they could not honour.
    ///
    /// # Errors
    /// [`crate::exit::Usage`] for anything but `auto` and `cpu`.
    pub fn require_cpu(self, command: &str) -> Result<()> {
        match self {
            Self::Auto | Self::Cpu => Ok(()),
            other => usage(format!(
                "{command} runs on the CPU only; leave out --device {other}"
            )),
        }
    }

    /// Its name without the number.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda(_) => "cuda",
            Self::Vulkan(_) => "vulkan",
            Self::Metal => "metal",
            Self::Wgpu => "wgpu",
        }
    }

    /// Its number among the devices of its kind, the first being 0.
    pub fn number(self) -> usize {
        match self {
            Self::Cuda(number) | Self::Vulkan(number) => number.unwrap_or(0),
            Self::Auto | Self::Cpu | Self::Metal | Self::Wgpu => 0,
        }
    }

    /// The machine's devices of this kind, the best first; none if the build cannot use the kind.
    fn devices(self) -> Option<Vec<Device>> {
        match self {
            #[cfg(feature = "cuda")]
            Self::Cuda(_) => Some(Device::enumerate(DeviceType::Cuda).into_vec()),
            #[cfg(feature = "vulkan")]
            Self::Vulkan(_) => Some(Device::enumerate(DeviceType::Vulkan).into_vec()),
            #[cfg(feature = "metal")]
            Self::Metal => Some(Device::enumerate(DeviceType::Metal).into_vec()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Some(Device::enumerate(DeviceType::Wgpu).into_vec()),
            _ => None,
        }
    }
}

/// What this machine has of a kind, with the number that `--device` takes.
fn found(kind: &str, devices: &[Device]) -> String {
    let named = devices.iter().enumerate();
    let named = named.map(|(number, device)| shown(&format!("{kind}:{number}"), device));
    match devices {
        [] => format!("this machine has no device for {kind} (or no driver for it)"),
        _ => format!("this machine has {}", named.collect::<Vec<_>>().join(", ")),
    }
}

/// What `--device` calls it, and what its maker does.
fn shown(choice: &str, device: &Device) -> String {
    match name(device) {
        Some(name) => format!("{choice} ({name})"),
        None => choice.to_owned(),
    }
}

#[cfg(feature = "gpu")]
fn name(device: &Device) -> Option<String> {
    device.identity().map(|identity| identity.name)
}

#[cfg(not(feature = "gpu"))]
fn name(_: &Device) -> Option<String> {
    None
}

/// Refuses a device with wrong results, before masks are made of them.
fn sound(device: &Device, shown: &str) -> Result<()> {
    check_sound(device).map_err(|unsound| {
        anyhow!(
            "--device {shown}: {unsound}; update its driver (Vulkan needs one with VK_KHR_workgroup_memory_explicit_layout), \
             choose another device, or --device cpu"
        )
    })
}

/// The first GPU there is, else the CPU. A graphics interface drawn by the CPU is no GPU.
fn auto() -> Result<(Device, String)> {
    for kind in [
        Choice::Cuda(None),
        Choice::Metal,
        Choice::Vulkan(None),
        Choice::Wgpu,
    ] {
        let found = kind
            .devices()
            .unwrap_or_default()
            .into_iter()
            .find(is_hardware);
        if let Some(device) = found {
            let shown = shown(&kind.to_string(), &device);
            sound(&device, &shown)?;
            return Ok((device, shown));
        }
    }
    Ok((Device::flex(), "cpu".to_owned()))
}

fn is_hardware(device: &Device) -> bool {
    let software: &[Device] = &[
        #[cfg(feature = "vulkan")]
        Device::vulkan(DeviceKind::Cpu),
        #[cfg(feature = "wgpu")]
        Device::wgpu(DeviceKind::Cpu),
    ];
    !software.contains(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for text in [
            "auto", "cpu", "cuda", "cuda:1", "vulkan", "vulkan:0", "metal", "wgpu",
        ] {
            assert_eq!(text.parse::<Choice>().expect(text).to_string(), text);
        }
        for text in [
            "", "gpu", "cpu:0", "cuda:", "cuda:x", "metal:1", "CUDA", "cuda:-1",
        ] {
            assert!(text.parse::<Choice>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_the_build_lacks_is_a_usage_error() {
        if !built().contains(&"cuda") {
            let error = Choice::Cuda(Some(1)).open().expect_err("not in this build");
            assert!(error.is::<crate::exit::Usage>());
            assert!(
                error.to_string().contains("this build has no cuda"),
                "{error}"
            );
        }
    }
}
