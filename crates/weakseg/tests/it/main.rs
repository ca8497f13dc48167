//! Integration tests of the method, one binary.
