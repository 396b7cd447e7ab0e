//! Tests of parsing and binding.
