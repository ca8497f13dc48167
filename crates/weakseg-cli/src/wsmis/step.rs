//! Images, networks and maps of one step.

use super::leaves::Leaves;
use super::{Layer, Result, Section, refuse};

/// The grid, its normalisation, and what happens to training images.
pub fn images(leaves: &mut Leaves, layer: &mut Layer) -> Result<()> {
    let key = "train.transform.size";
    let whole = leaves.left(key).cloned();
    if let Some(sizes) = leaves.numbers(key)? {
        let size = sizes[0];
        if sizes.len() > 2
            || sizes.iter().any(|&side| side != size)
            || !(16.0..=4096.0).contains(&size)
        {
            return refuse(format!(
                "{key} is {sizes:?}; expected one side, 16 to 4096 pixels"
            ));
        }
        let side = (size / 16.0).floor() as i64 * 16;
        if side as f64 != size {
            layer.note(key, size, format!("made {side}, a multiple of 16"));
        }
        layer.set("image.size", side);
        if let Some(whole) = whole {
            leaves.take_if("val.transform.size", &whole);
        }
    }
    let key = "train.transform.images_normalization";
    match leaves.text(key)?.as_deref() {
        None => {}
        Some(name @ ("default" | "pneumothorax" | "float" | "binary" | "none")) => {
            let ours = if name == "default" { "imagenet" } else { name };
            layer.set("image.normalisation", ours);
            leaves.take_if_text("val.transform.images_normalization", name);
        }
        Some(other) => layer.note(key, other, "networks here see normalised images"),
    }
    let key = "train.transform.augmentation_scope";
    match leaves.text(key)?.as_deref() {
        None => {}
        Some(name @ ("none" | "weak" | "horizontal_flip" | "strong" | "pneumothorax")) => {
            layer.set_below("training.augment.scope", name.replace('_', "-"));
        }
        Some(other) => {
            return refuse(format!(
                "{key} is \"{other}\"; expected none, weak, horizontal_flip, strong or pneumothorax"
            ));
        }
    }
    leaves.take_if_text("val.transform.augmentation_scope", "none");
    for part in ["train", "val"] {
        leaves.take_if_text(&format!("{part}.transform.size_transform"), "resize");
        leaves.take_if_text(
            &format!("{part}.transform.images_output_format_type"),
            "float",
        );
    }
    Ok(())
}

/// The network and what it starts from.
pub fn network(leaves: &mut Leaves, layer: &mut Layer) -> Result<()> {
    let Some(arch) = leaves.text("model.arch")? else {
        return refuse("model.arch is missing; expected the name of a network");
    };
    match layer.section {
        Section::Classifier => classifier(leaves, layer, &arch),
        Section::Segmenter => segmenter(leaves, layer, &arch),
    }
}

fn classifier(leaves: &mut Leaves, layer: &mut Layer, arch: &str) -> Result<()> {
    let (trunk, head, stages) = match arch {
        "vgg_gap" => ("vgg16-bn", "extra", 5),
        "resnet50_oaa" | "resnet_oaa" => ("resnet50-os8", "extra", 5),
        "resnet50_full" | "resnet50_dropblock" | "resnet50_dropblock_scheduler" | "resnet50" => {
            ("resnet50-os8", "linear", 5)
        }
        "resnet34" => ("resnet34", "linear", 5),
        // Up to layer3, where every ResNet50 has the stride 16.
        "resnet_gap" => ("resnet50-os32", "linear", 4),
        _ => {
            return refuse(format!(
                "model.arch is \"{arch}\"; expected vgg_gap, resnet50_oaa, resnet_oaa, resnet50_full, resnet50_dropblock, \
                 resnet50_dropblock_scheduler, resnet50, resnet34 or resnet_gap"
            ));
        }
    };
    layer.set_below("arch", trunk);
    layer.set_below("head", head);
    layer.set_below("stages", i64::from(stages));
    if let Some(on) = leaves.switch("model.pretrained")? {
        layer.set_below("weights", if on { "auto" } else { "none" });
    }
    dropblock(leaves, layer, arch)
}

/// DropBlock as that code has it, where the network has it; the two published classifiers do not, though their files
/// name it.
fn dropblock(leaves: &mut Leaves, layer: &mut Layer, arch: &str) -> Result<()> {
    let [drop, block] =
        ["drop_prob", "block_size"].map(|key| format!("model.regularize.parameters.{key}"));
    let probability = leaves.number(&drop)?;
    let size = leaves.count(&block)?;
    if !arch.starts_with("resnet50_dropblock") {
        layer.set_below("dropblock.probability", 0.0);
        let inert = format!("without effect there: {arch} has no DropBlock");
        if let Some(probability) = probability {
            layer.note(&drop, probability, &inert);
        }
        if let Some(size) = size {
            layer.note(&block, size, &inert);
        }
        let name = "model.regularize.name";
        if let Some(which) = leaves.take(name) {
            layer.note(name, which, &inert);
        }
        return Ok(());
    }
    leaves.take("model.regularize.name");
    layer.set_below("dropblock.form", "reference");
    layer.set_below("dropblock.place", "reference");
    let ramp = arch.ends_with("scheduler");
    layer.set_below("dropblock.ramp_epochs", i64::from(ramp) * 10);
    if ramp {
        layer.note(
            "model.arch",
            arch,
            "taken over with the ten steps of its DropBlock's ramp as ten epochs; there they are ten forward passes",
        );
    }
    if let Some(probability) = probability {
        layer.set_below("dropblock.probability", probability);
    }
    if let Some(size) = size {
        layer.set_below("dropblock.block", size);
    }
    Ok(())
}

fn segmenter(leaves: &mut Leaves, layer: &mut Layer, arch: &str) -> Result<()> {
    let encoder = leaves.text("model.encoder")?;
    let network = match (arch, encoder.as_deref()) {
        ("deeplabv3_resnet50", _) => "deeplabv3-resnet50",
        ("deeplabv3plus_resnet50", _) => "deeplabv3plus-resnet50-os8",
        // That code's own factory does not know the name; what it means is plain.
        ("serexnext_unet", _) | ("unet", Some("se_resnext50_32x4d")) => "unet-se_resnext50",
        ("unet", None | Some("resnet50")) => "unet-resnet50",
        ("unet", Some("resnet34")) => "unet-resnet34",
        ("unet", Some("vgg16")) => "unet-vgg16",
        ("unet", Some("vgg16_bn")) => "unet-vgg16-bn",
        ("unet", Some(other)) => {
            return refuse(format!(
                "model.encoder is \"{other}\"; expected resnet50, resnet34, se_resnext50_32x4d, vgg16 or vgg16_bn"
            ));
        }
        _ => {
            return refuse(format!(
                "model.arch is \"{arch}\"; expected deeplabv3_resnet50, deeplabv3plus_resnet50, unet or serexnext_unet"
            ));
        }
    };
    layer.set_below("arch", network);
    let pretrained = leaves.switch("model.pretrained")?;
    let unet = network.starts_with("unet");
    if unet && pretrained == Some(false) {
        layer.note(
            "model.pretrained",
            false,
            "not read there for a U-Net, whose encoder starts from ImageNet always",
        );
    }
    if unet || pretrained.unwrap_or(true) {
        layer.set_below("encoder", "weights");
        layer.set_below("weights", "auto");
    } else {
        layer.set_below("encoder", "random");
    }
    // As that code predicts.
    layer.set_below("threshold", 0.5);
    layer.set_below("flip", false);
    Ok(())
}

/// Activation maps.
pub fn maps(leaves: &mut Leaves, layer: &mut Layer) -> Result<()> {
    if let Some(threshold) = leaves.number("background_threshold")? {
        layer.set("cams.threshold", threshold);
    }
    if let Some(gate) = leaves.number("prediction_threshold")? {
        layer.set("cams.gate", gate);
    }
    leaves.take_if_text("interpolation", "bilinear");
    match leaves.text("extraction_method")?.as_deref() {
        None => {}
        Some("cam") => layer.set("cams.method", "cam"),
        Some("grad_cam") => layer.set("cams.method", "grad-cam"),
        Some("grad_cam_pp" | "grad_cam_plus_plus") => {
            layer.set("cams.method", "grad-cam++-wsmis");
        }
        Some(other) => layer.note(
            "extraction_method",
            other,
            "no file says which names it takes; set cams.method",
        ),
    }
    Ok(())
}
