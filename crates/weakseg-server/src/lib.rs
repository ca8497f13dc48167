//! The local viewer: a run's cases with what its steps have made of them, and a model to try on an image, in the
//! browser.
//!
//! Read `routes`' table first: that is all that can be asked for. A request comes through [`Server`] (connections and
//! their time, the end), `guard` (hosts, origins, headers), then to one file a route. What takes processor time goes
//! through a `Queue`: predictions one at a time, for a network uses all cores anyway, and images beside them. [`Site`]
//! is what is shown, [`Bounds`] what a client may ask for.
//!
//! It is made for one person at the machine that it runs on: there is no password and no encryption. No image that is
//! sent is ever written.
#![forbid(unsafe_code)]

mod bounds;
mod guard;
mod layer;
mod queue;
mod refusal;
mod routes;
mod server;
mod site;

pub use bounds::Bounds;
pub use server::{ServeError, Server};
pub use site::{Model, Site};
