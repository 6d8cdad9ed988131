//! The decision for the usual case must be that of the rules.

use proptest::collection::vec;
use proptest::prelude::*;

use super::any::{any_circumstances, any_listing, any_record, listing, records};
use super::*;
use crate::session::judge::disposition::Names;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_usual_message_is_decided_as_if_it_were_looked_at_closely(
        shown in any_listing(),
        known in vec(any_record(), 0..8),
        circumstances in any_circumstances(),
        pops in any::<bool>(),
        days in proptest::option::of(0..40_u64),
    ) {
        let began_again = days.map(|days| Timestamp(circumstances.now.0 - days * 86_400));
        let names = Names { began_again, ..circumstances.names };
        let circumstances = Circumstances { pops, names, ..circumstances };
        let (listing, records) = (listing(&shown), records(known));
        // The head of a message that is not listed decides nothing, and where heads are known no
        // message is taken for the usual case.
        let mut heads = Heads::default();
        heads.insert(u32::MAX, None);
        let closely = plan_with_heads(&listing, &records, &circumstances, &heads);
        prop_assert_eq!(plan(&listing, &records, &circumstances), closely);
    }
}
