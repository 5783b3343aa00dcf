//! The wire formats of a push, a file each: how their bytes become employees, and counts their answer.

pub mod startexam;
