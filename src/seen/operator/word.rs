//! The word of a person, for records that no delivery earned.

/// Stands where a proof is missing: a person orders that messages count as seen or as delivered, or
/// that records are forgotten. Only `operator/` makes one, so no session can give such an order.
#[derive(Debug)]
pub struct OperatorsWord(());

impl OperatorsWord {
    /// The word of whoever sends a request.
    pub(crate) const fn given() -> Self {
        Self(())
    }
}
