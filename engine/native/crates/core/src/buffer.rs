//! Memory that the workers of a step share.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Numbers aligned to 64 bytes, zero at first. Workers write through `at` to disjoint parts between two barriers;
/// that is the caller's promise, which is why reading and writing go through raw pointers.
pub struct Buffer<E> {
    data: NonNull<E>,
    capacity: usize,
}

unsafe impl<E: Send> Send for Buffer<E> {}
unsafe impl<E: Sync> Sync for Buffer<E> {}

const ALIGNMENT: usize = 64;

impl<E: Copy> Buffer<E> {
    pub fn new(capacity: usize) -> Self {
        let mut buffer = Buffer { data: NonNull::dangling(), capacity: 0 };
        buffer.reserve(capacity);
        buffer
    }

    /// Room for at least `capacity` numbers; when it has to grow, the old content is gone and all is zero.
    pub fn reserve(&mut self, capacity: usize) {
        if capacity <= self.capacity {
            return;
        }
        self.release();
        let layout = Self::layout(capacity);
        let data = unsafe { alloc_zeroed(layout) }.cast::<E>();
        self.data = NonNull::new(data).unwrap_or_else(|| handle_alloc_error(layout));
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

    fn layout(capacity: usize) -> Layout {
        Layout::from_size_align(capacity * size_of::<E>(), ALIGNMENT).expect("a buffer larger than the address space")
    }

    fn release(&mut self) {
        if self.capacity > 0 {
            unsafe { dealloc(self.data.as_ptr().cast(), Self::layout(self.capacity)) };
            self.capacity = 0;
        }
    }
}

impl<E> Drop for Buffer<E> {
    fn drop(&mut self) {
        if self.capacity > 0 {
            let bytes = self.capacity * size_of::<E>();
            unsafe {
                let layout = Layout::from_size_align_unchecked(bytes, ALIGNMENT);
                dealloc(self.data.as_ptr().cast(), layout);
            }
        }
    }
}
