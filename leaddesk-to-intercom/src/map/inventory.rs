//! What is documented and, by design, not migrated.
//!
//! | LeadDesk | becomes |
//! |---|---|
//! | campaign, project, office, outcome, dialer configuration, LeadApp | an item of a file in `inventory/`, with all that the source delivered |
//! | file of the chatbot's export with counts per period | its rows in `inventory/chatbot_analytics.json` |

use migrate_core::{Emit, Mapper, Reason, Record};

use crate::draft::SchemaDraft;
use crate::source::Documented;

/// Leaves everything in the inventory. It writes nothing.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct InventoryMapper;

impl Mapper<Documented> for InventoryMapper {
    type Out = SchemaDraft;

    fn map(&self, _: Record<Documented>, out: &mut Emit<SchemaDraft>) {
        out.inventory(Reason::new(
            "documented",
            "Intercom has no such thing: it is documented in inventory/, for handover.md to explain",
        ));
    }
}
