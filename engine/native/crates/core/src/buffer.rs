//! Memory that the workers of a step share.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use memmap2::MmapMut;

/// Numbers aligned to 64 bytes, zero at first. Workers write through `at` to disjoint parts between two barriers;
/// that is the caller's promise, which is why reading and writing go through raw pointers.
pub struct Buffer<E> {
    data: NonNull<E>,
    capacity: usize,
    memory: Memory,
}

/// Where the numbers live.
enum Memory {
    Nowhere,
    Heap(Layout),
    /// Large ones: pages of their own, 2 MB each where the system grants it, which spares address translations.
    Pages {
        _map: MmapMut,
    },
}

unsafe impl<E: Send> Send for Buffer<E> {}
unsafe impl<E: Sync> Sync for Buffer<E> {}

const ALIGNMENT: usize = 64;
const HUGE_PAGE: usize = 2 << 20;

impl<E: Copy> Buffer<E> {
    pub fn new(capacity: usize) -> Self {
        let mut buffer = Buffer { data: NonNull::dangling(), capacity: 0, memory: Memory::Nowhere };
        buffer.reserve(capacity);
        buffer
    }

    /// Room for at least `capacity` numbers; when it has to grow, the old content is gone and all is zero.
    pub fn reserve(&mut self, capacity: usize) {
        if capacity <= self.capacity {
            return;
        }
        self.release();
        let bytes = capacity.checked_mul(size_of::<E>()).expect("a buffer larger than the address space");
        let pages = if bytes >= HUGE_PAGE { huge_pages(bytes) } else { None };
        (self.data, self.memory) = match pages {
            Some((data, map)) => (data.cast(), Memory::Pages { _map: map }),
            None => {
                let layout = Layout::from_size_align(bytes, ALIGNMENT).expect("a buffer larger than the address space");
                let data = unsafe { alloc_zeroed(layout) }.cast::<E>();
                (NonNull::new(data).unwrap_or_else(|| handle_alloc_error(layout)), Memory::Heap(layout))
            }
        };
        self.capacity = capacity;
    }

    /// Address of number `index`.
    #[inline(always)]
    pub fn at(&self, index: usize) -> *mut E {
        debug_assert!(index <= self.capacity);
        unsafe { self.data.as_ptr().add(index) }
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The first `len` numbers, when no worker is writing.
    pub fn slice(&self, len: usize) -> &[E] {
        assert!(len <= self.capacity);
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), len) }
    }

    pub fn slice_mut(&mut self, len: usize) -> &mut [E] {
        assert!(len <= self.capacity);
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), len) }
    }
}

impl<E> Buffer<E> {
    fn release(&mut self) {
        if let Memory::Heap(layout) = std::mem::replace(&mut self.memory, Memory::Nowhere) {
            unsafe { dealloc(self.data.as_ptr().cast(), layout) };
        }
        self.capacity = 0;
    }
}

impl<E> Drop for Buffer<E> {
    fn drop(&mut self) {
        self.release();
    }
}

/// Zeroed pages beginning at a huge page's border. Without them the heap serves as well.
fn huge_pages(bytes: usize) -> Option<(NonNull<u8>, MmapMut)> {
    let mut map = MmapMut::map_anon(bytes.checked_add(HUGE_PAGE)?).ok()?;
    #[cfg(target_os = "linux")]
    {
        // A kernel without huge pages refuses; plain pages serve as well.
        let _ = map.advise(memmap2::Advice::HugePage);
    }
    let offset = map.as_ptr().align_offset(HUGE_PAGE);
    let data = NonNull::new(map[offset..].as_mut_ptr())?;
    Some((data, map))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_buffers_are_zero_aligned_and_writable() {
        for capacity in [0, 1, 1000, (3 << 20) / 4] {
            let mut buffer = Buffer::<f32>::new(capacity);
            assert!(buffer.capacity() >= capacity);
            assert!(buffer.slice(capacity).iter().all(|&v| v == 0.0));
            buffer.slice_mut(capacity).fill(1.0);
            assert_eq!(buffer.slice(capacity).iter().sum::<f32>(), capacity as f32);
            if capacity > 0 {
                assert_eq!(buffer.at(0) as usize % ALIGNMENT, 0);
            }
            buffer.reserve(2 * capacity);
            assert!(buffer.slice(2 * capacity).iter().all(|&v| v == 0.0 || capacity == 0));
        }
    }
}
