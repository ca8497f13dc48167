//! Why a leaf that nothing took has no place here.

const NO_RATE: &str = "a share of the optimizer's lr here, and this file has no optimizer; set training.schedule.min_factor";

/// By the beginning of the path; the first that fits.
const REASONS: [(&str, &str); 26] = [
    ("scheduler.parameters.min_lr", NO_RATE),
    ("scheduler.min_lr", NO_RATE),
    ("log_path", "a run's folder is given by --out"),
    (
        "devices",
        "given by --device, or --devices of `weakseg run`",
    ),
    (
        "train.masks",
        "train-segmenter learns from the pseudo-labels of its own run",
    ),
    (
        "val.masks",
        "true masks belong to the set, and only scores read them",
    ),
    ("train.path", "the set is given by [data]"),
    ("val.path", "the set is given by [data]"),
    ("train.input_path", "the set is given by [data]"),
    ("val.input_path", "the set is given by [data]"),
    (
        "train.output_path",
        "each step writes into the run's folder",
    ),
    ("val.output_path", "each step writes into the run's folder"),
    (
        "train.transform.masks_",
        "masks are indices here, whatever file they come from",
    ),
    (
        "val.transform.masks_",
        "masks are indices here, whatever file they come from",
    ),
    ("train.transform.images_output", "networks compute in f32"),
    ("val.transform.images_output", "networks compute in f32"),
    (
        "train.transform.",
        "images are resized to the square of image.size; there is no other way",
    ),
    (
        "val.transform.",
        "validation sees images as training does, but unchanged; there is one grid",
    ),
    ("model.classes", "the set names its classes"),
    (
        "model.weights_path",
        "a file of that code; bring it by `weakseg weights convert` and set classifier.weights",
    ),
    (
        "model.target_layer",
        "a layer inside a block; cams.layer names whole ones, as layer4",
    ),
    (
        "model.metrics",
        "the report has those of its own: of pixels IoU, mIoU, Dice and F1, of images F1, AUROC, sensitivity and specificity",
    ),
    (
        "experiment_path",
        "predict and report take the run's folder",
    ),
    (
        "maps_layer",
        "maps are the head's last; cams.layer names another",
    ),
    (
        "weights_layer",
        "maps are weighted by the head's linear layer",
    ),
    (
        "use_predicted_labels",
        "maps are scored with true labels and with predicted ones",
    ),
];

/// The reason for what that code's settings do not have either, or that means nothing there.
pub const UNKNOWN: &str = "no key of the published settings that has a meaning here";

/// The reason for a path.
pub fn of(path: &str) -> &'static str {
    let known = REASONS.iter().find(|(start, _)| path.starts_with(start));
    match known {
        Some((_, reason)) => reason,
        None if path.starts_with("crf.") => "read by the task crf_segmentation and its kldiv alone",
        None if path == "interpolation" => "maps are resized bilinearly",
        None if path.starts_with("monitor.") => "figures are written after each epoch",
        None if path.starts_with("model.regularize.") => {
            "the one regularisation of that code is DropBlock, by drop_prob and block_size"
        }
        None => UNKNOWN,
    }
}
