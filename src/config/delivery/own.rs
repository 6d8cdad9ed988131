//! Destinations of a program that embeds the agent.

use crate::config::setting::{Given, Setting, Table, TableReader, Without, settings};
use crate::config::value::{AddedFields, SenderSetting};

settings! {
    /// `type = "own"`
    struct OwnTable {
        /// The envelope sender that the destination is told.
        sender: SenderSetting = Without::Default("\"keep\""),
        /// Whether a message counts as delivered without this delivery.
        best_effort: bool = Without::Default("false"),
        /// Whether to put a Received field of mailferry on top.
        received: bool = Without::Default("true"),
        /// Header fields to put on top, above Received.
        add_header: AddedFields = Without::Otherwise(
            "none",
            "{ X-Fetched-From = \"{account}\" }",
        ),
    }
}
