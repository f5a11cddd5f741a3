//! The pages that are open: the cursor moves past a page only when it and all before it are done.

use std::collections::VecDeque;

use crate::Key;
use crate::record::Cursor;

use super::flow::OpenedPage;

/// The pages that have been read and are not settled whole. Pure.
#[derive(Debug, Default)]
pub(super) struct Window {
    pages: VecDeque<OpenPage>,
    first: u64,
}

#[derive(Debug)]
struct OpenPage {
    page: ClosedPage,
    open: usize,
}

/// A page that is settled whole, and all before it.
#[derive(Debug, PartialEq)]
pub(super) struct ClosedPage {
    pub(super) pass: u32,
    pub(super) keys: Vec<Key>,
    pub(super) next: Option<Cursor>,
    pub(super) mark: Option<Cursor>,
}

impl Window {
    /// Opens a page with `open` records still to be settled.
    pub(super) fn open(&mut self, page: OpenedPage, open: usize) -> u64 {
        let OpenedPage { pass, keys, next, mark } = page;
        self.pages.push_back(OpenPage { page: ClosedPage { pass, keys, next, mark }, open });
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
        Some(page.page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_never_passes_a_gap() {
        let mut window = Window::default();
        let page = |keys: &[u64], next: Option<&str>| OpenedPage {
            pass: 1,
            keys: keys.iter().map(|n| Key::new("record", n)).collect(),
            next: next.map(Cursor::new),
            mark: None,
        };
        let first = window.open(page(&[1, 2], Some("a")), 2);
        let second = window.open(page(&[3], Some("b")), 1);
        window.settle(second);
        window.settle(first);
        assert_eq!(window.close(), None, "one record of the first page is open");
        window.settle(first);
        assert_eq!(window.close().and_then(|page| page.next), Some(Cursor::new("a")));
        assert_eq!(window.close().and_then(|page| page.next), Some(Cursor::new("b")));
        assert_eq!(window.close(), None);
        let third = window.open(page(&[4], None), 1);
        window.settle(third);
        assert_eq!(window.close().map(|page| page.keys), Some(vec![Key::new("record", 4)]));
    }
}
