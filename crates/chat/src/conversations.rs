//! Conversations as people see them, whichever client wrote: messages with all that was done to them since, how far each has
//! been read, and what changed behind a position.
//!
//! The archive is the one truth: a correction, a reaction or an answer is a message of its own there, found by its label
//! (`labels`), and is put together with what it is about when somebody reads. Nothing is written for that.

pub mod changes;
pub mod finding;
pub mod folding;
pub mod keeping;
pub mod listing;
pub mod marks;
pub mod pins;
pub mod reading;
pub mod scheduled;
pub mod telling;
#[cfg(test)]
mod tests;
pub mod threads;
