//! Chest X-rays made from a seed.
