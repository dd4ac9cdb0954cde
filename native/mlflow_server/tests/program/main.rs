//! The program as its users start it: a process of its own, asked over the loopback interface.
#![forbid(unsafe_code)]
#![cfg(test)]

mod endurance;
mod http;
mod malformed;
mod options;
mod process;
