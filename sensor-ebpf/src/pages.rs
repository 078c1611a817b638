//! From a page to its bytes: where the kernel maps all memory (`page_address` without high memory).

use sensor_abi::config::Pages;

use crate::{
    maps,
    memory::{kernel, offset},
};

/// `struct bio_vec`: page, length, offset.
pub const VECTOR_BYTES: u64 = 16;
/// Buffers of one pipe at most (`F_SETPIPE_SZ` of a gigabyte and more is not walked).
const RING_MAX: u32 = 1 << 18;

/// Where the bytes of a page are; none where it is not known how the kernel maps its memory.
#[inline(always)]
unsafe fn address(page: u64) -> Option<u64> {
    let Pages {
        map_at,
        memory_at,
        page_shift,
    } = maps::pages();
    if map_at == 0 || page == 0 {
        return None;
    }
    // Both move with each boot where the kernel randomises its memory, so they are read where they are kept.
    let map: u64 = kernel(map_at, 0)?;
    let memory: u64 = kernel(memory_at, 0)?;
    let size = offset!(page_size) as u64;
    if size == 0 {
        return None;
    }
    Some(memory + ((page.wrapping_sub(map) / size) << page_shift))
}

/// Where the byte at `skip` of a `struct page` is.
///
/// # Safety
/// `page` is one, or anything: the helper checks where that leads.
#[inline(always)]
pub unsafe fn of_page(page: u64, skip: u64) -> Option<u64> {
    Some(address(page)? + skip)
}

/// Bytes that a `struct bio_vec` stands for.
///
/// # Safety
/// Any address is fine: the helper checks it.
#[inline(always)]
pub unsafe fn of_vector(vector: u64) -> Option<(u64, u64)> {
    let page: u64 = kernel(vector, 0)?;
    let [length, skip]: [u32; 2] = kernel(vector, 8)?;
    Some((address(page)? + u64::from(skip), u64::from(length)))
}

/// A pipe's buffer of this number, counted as the kernel counts: bytes, and how many.
///
/// # Safety
/// `pipe` is a `struct pipe_inode_info`, or anything: the helpers check it.
#[inline(always)]
pub unsafe fn of_pipe(pipe: u64, number: u32) -> Option<(u64, u64)> {
    let buffer = buffer_of(pipe, number)?;
    let page: u64 = kernel(buffer, offset!(pipe_buffer_page))?;
    let skip: u32 = kernel(buffer, offset!(pipe_buffer_skip))?;
    Some((address(page)? + u64::from(skip), length_of(buffer)?))
}

#[inline(always)]
unsafe fn buffer_of(pipe: u64, number: u32) -> Option<u64> {
    let size: u32 = kernel(pipe, offset!(pipe_ring_size))?;
    if size == 0 || size > RING_MAX {
        return None;
    }
    let buffers: u64 = kernel(pipe, offset!(pipe_buffers))?;
    let index = u64::from(number & (size - 1));
    Some(buffers + index * offset!(pipe_buffer_size) as u64)
}

#[inline(always)]
unsafe fn length_of(buffer: u64) -> Option<u64> {
    kernel::<u32>(buffer, offset!(pipe_buffer_length)).map(u64::from)
}

/// Bytes of a pipe's buffer of this number.
///
/// # Safety
/// As for [`of_pipe`].
#[inline(always)]
pub unsafe fn length_in_pipe(pipe: u64, number: u32) -> Option<u64> {
    length_of(buffer_of(pipe, number)?)
}
