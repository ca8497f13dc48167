//! The device under test, by the check that the program makes of a GPU before it computes on it.

#[test]
fn the_device_is_sound() {
    assert_eq!(weakseg_kernels::check_sound(&crate::device()), Ok(()));
}
