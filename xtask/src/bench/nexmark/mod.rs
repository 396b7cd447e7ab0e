//! stub
use super::Bench;
use crate::TaskError;
/// c
#[derive(clap::Args)]
pub struct Choice {}
/// r
pub fn run(_: &Bench, _: &Choice) -> Result<(), TaskError> {
    Ok(())
}
