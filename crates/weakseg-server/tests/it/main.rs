//! The server as clients meet it, well-meaning ones and others. Runs are shown in the program's own tests, which have
//! one.

mod client;
mod model;
mod pixels;
mod prediction;
mod refusals;
mod shutdown;
