//! What is shipped to run the program, and the program as process 1.

mod container;
mod packaging;
mod process_1;
