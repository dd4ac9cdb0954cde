//! The outbox from outside: what it keeps, what it gives back, and what it makes of broken files.

#![forbid(unsafe_code)]
#![cfg(test)]

mod damage;
mod full_disk;
mod log;
mod properties;
mod sharing;
mod support;
