//! Command-line tools and AI clients as their users start them, without a network and without a login.

use anyhow::Result;
use gnomon_tests::matrix::applications;

use crate::matrix::check;

#[test]
fn applications_are_named_and_what_they_did_is_in_the_inventory() -> Result<()> {
    check(applications())
}
