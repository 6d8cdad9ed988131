//! The operator's confirmation, for records that no delivery earned.

/// Replaces a proof: a person orders that messages count as seen or as delivered, or that records
/// are forgotten. Only `operator/` creates one, so no session can give such an order.
#[derive(Debug)]
pub struct OperatorsWord(());

impl OperatorsWord {
    /// The confirmation of the person who sends a request.
    pub(crate) const fn given() -> Self {
        Self(())
    }
}
