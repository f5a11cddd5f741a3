//! The pages that are open: the cursor moves past a page only when it and all before it are done.

use std::collections::VecDeque;

use crate::Key;
use crate::record::Cursor;

/// The pages that have been read and are not settled whole. Pure.
#[derive(Debug, Default)]
pub(super) struct Window {
    pages: VecDeque<OpenPage>,
    first: u64,
}

#[derive(Debug)]
struct OpenPage {
    keys: Vec<Key>,
    next: Option<Cursor>,
    mark: Option<Cursor>,
    open: usize,
}

/// A page that is settled whole, and all before it.
#[derive(Debug, PartialEq)]
pub(super) struct ClosedPage {
    pub(super) keys: Vec<Key>,
    pub(super) next: Option<Cursor>,
    pub(super) mark: Option<Cursor>,
}

impl Window {
    /// Opens a page with `open` records still to be settled; `keys` are all its new keys.
    pub(super) fn open(
        &mut self,
        keys: Vec<Key>,
        next: Option<Cursor>,
        mark: Option<Cursor>,
        open: usize,
    ) -> u64 {
        self.pages.push_back(OpenPage { keys, next, mark, open });
        self.first + self.pages.len() as u64 - 1
    }

    /// Pages that are not settled whole.
    pub(super) fn open_pages(&self) -> usize {
        self.pages.len()
    }

    /// One record of a page is settled or parked.
    pub(super) fn settle(&mut self, page: u64) {
        let index = page.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(page) = index.and_then(|index| self.pages.get_mut(index)) {
            page.open = page.open.saturating_sub(1);
        }
    }

    /// The next page that is settled whole, if the one in front is.
    pub(super) fn close(&mut self) -> Option<ClosedPage> {
        if self.pages.front()?.open > 0 {
            return None;
        }
        let page = self.pages.pop_front()?;
        self.first += 1;
        Some(ClosedPage { keys: page.keys, next: page.next, mark: page.mark })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_never_passes_a_gap() {
        let mut window = Window::default();
        let key = |n| Key::new("record", n);
        let first = window.open(vec![key(1), key(2)], Some(Cursor::new("a")), None, 2);
        let second = window.open(vec![key(3)], Some(Cursor::new("b")), None, 1);
        window.settle(second);
        window.settle(first);
        assert_eq!(window.close(), None, "one record of the first page is open");
        window.settle(first);
        assert_eq!(window.close().and_then(|page| page.next), Some(Cursor::new("a")));
        assert_eq!(window.close().and_then(|page| page.next), Some(Cursor::new("b")));
        assert_eq!(window.close(), None);
        let third = window.open(vec![key(4)], None, None, 1);
        window.settle(third);
        assert_eq!(window.close().map(|page| page.keys), Some(vec![key(4)]));
    }
}
