//! The files for running the program, and the program as process 1.

mod container;
mod packaging;
mod process_1;
