//! The names of the methods.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How maps and gradients become one activation map a class. A is the activation of channel k at pixel (i, j), S the
/// logit of the class, s = ∂S/∂A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CamMethod {
    /// Σ_k w_k·A_k with the linear layer's weights w (Zhou et al. 2016, eq. 2). Signed.
    Cam,
    /// Σ_k mean(s_k)·A_k (Selvaraju et al. 2017, eq. 1 and 2, before the ReLU). Signed. Behind global average pooling
    /// it is the CAM divided by the number of map pixels.
    GradCam,
    /// Grad-CAM++ as published (Chattopadhyay et al. 2018, eq. 19): weights Σ_ij relu(s)/(2 + s·ΣA), then ReLU.
    #[default]
    #[serde(rename = "grad-cam++")]
    GradCamPlusPlus,
    /// Grad-CAM++ as the paper's code has it: the exponential stays in the weights, the sum of the denominator mixes
    /// its indices, there is an epsilon of 1e-8 and no final ReLU (reference §2.4).
    #[serde(rename = "grad-cam++-wsmis")]
    GradCamPlusPlusWsmis,
    /// Grad-CAM++ as the Python package pytorch-grad-cam has it: an epsilon of 1e-6 in the denominator, ReLU at the
    /// end.
    #[serde(rename = "grad-cam++-pytorch-grad-cam")]
    GradCamPlusPlusPytorch,
    /// relu(Σ_k relu(s)·A), pixel by pixel (Jiang et al. 2021, eq. 5 and 6).
    LayerCam,
}

impl CamMethod {
    /// Every method.
    pub const ALL: [Self; 6] = [
        Self::Cam,
        Self::GradCam,
        Self::GradCamPlusPlus,
        Self::GradCamPlusPlusWsmis,
        Self::GradCamPlusPlusPytorch,
        Self::LayerCam,
    ];

    /// Whether its maps are given without a ReLU at the end.
    pub(super) const fn is_signed(self) -> bool {
        matches!(self, Self::Cam | Self::GradCam | Self::GradCamPlusPlusWsmis)
    }

    /// Whether values of its maps shrink as the number of map cells grows. Behind global average pooling the gradient
    /// is a class weight divided by that number: Grad-CAM and LayerCAM keep the factor, the quotient of Grad-CAM++
    /// cancels it.
    pub const fn falls_with_cells(self) -> bool {
        matches!(self, Self::GradCam | Self::LayerCam)
    }

    /// The name in settings and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cam => "cam",
            Self::GradCam => "grad-cam",
            Self::GradCamPlusPlus => "grad-cam++",
            Self::GradCamPlusPlusWsmis => "grad-cam++-wsmis",
            Self::GradCamPlusPlusPytorch => "grad-cam++-pytorch-grad-cam",
            Self::LayerCam => "layer-cam",
        }
    }
}

impl fmt::Display for CamMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no activation map is called `{0}`; there are {known}", known = CamMethod::ALL.map(CamMethod::name).join(", "))]
pub struct UnknownMethod(String);

impl FromStr for CamMethod {
    type Err = UnknownMethod;

    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        Self::ALL
            .into_iter()
            .find(|m| m.name() == name)
            .ok_or_else(|| UnknownMethod(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_in_settings_and_on_the_command_line() {
        for method in CamMethod::ALL {
            assert_eq!(method.name().parse(), Ok(method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.to_string());
        }
        let message = "gradcam".parse::<CamMethod>().unwrap_err().to_string();
        assert!(
            message.contains("`gradcam`") && message.contains("grad-cam++"),
            "{message}"
        );
    }
}
