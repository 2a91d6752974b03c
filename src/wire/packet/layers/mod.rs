//! The table of layers: every field, its default, its meaning; building, dissecting and the expression read it.

use super::kind::Kind;

/// Every layer.
pub static KINDS: &[&Kind] = &[];

/// The layer of this name, or of one of its other spellings.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|k| k.is_called(name))
}
