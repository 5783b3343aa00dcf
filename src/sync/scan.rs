//! Scan: finds where an element that is an object or an array ends.
//!
//! There are two versions, chosen at run time: one reads a byte at a time, the other 64 bytes, on x86-64 with AVX2. There is none for NEON.

/// What brackets and quotes the next byte is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nesting {
    /// How many brackets of the element are open.
    pub depth: u32,
    /// Whether the next byte is within a string.
    pub in_string: bool,
    /// Whether the next byte is escaped. It is within a string then.
    pub escaped: bool,
}

/// An element is nested deeper than the limit.
#[derive(Debug, PartialEq, Eq)]
pub struct TooDeep;

/// Reads an element, or more of it: `bytes` begins with its bracket, or behind the bytes of the last call, which left `nesting`. Returns
/// the position behind its last bracket, or `None` if the element does not end in `bytes`.
pub fn scan(bytes: &[u8], nesting: &mut Nesting, depth_max: u32) -> Result<Option<usize>, TooDeep> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("pclmulqdq") && is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has the instructions that the function is compiled for.
        return unsafe { avx2::scan(bytes, nesting, depth_max) };
    }
    scan_bytes(bytes, nesting, depth_max)
}

/// Does the same as [`scan`], a byte at a time: for processors without the instructions, and for comparison in the tests.
pub fn scan_bytes(bytes: &[u8], nesting: &mut Nesting, depth_max: u32) -> Result<Option<usize>, TooDeep> {
    for (at, &byte) in bytes.iter().enumerate() {
        if nesting.in_string {
            match byte {
                _ if nesting.escaped => nesting.escaped = false,
                b'\\' => nesting.escaped = true,
                b'"' => nesting.in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => nesting.in_string = true,
            b'{' | b'[' => {
                nesting.depth += 1;
                if nesting.depth > depth_max {
                    return Err(TooDeep);
                }
            }
            b'}' | b']' => {
                nesting.depth -= 1;
                if nesting.depth == 0 {
                    return Ok(Some(at + 1));
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Nesting, TooDeep, scan_bytes};
    use std::arch::x86_64::{
        __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8, _mm256_cmpeq_epi8,
        _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    };

    /// For each kind of byte, which of 64 bytes are of that kind. Bit 0 is the first byte.
    struct Kinds {
        backslash: u64,
        quote: u64,
        open: u64,
        close: u64,
    }

    #[target_feature(enable = "avx2,pclmulqdq,popcnt")]
    pub fn scan(bytes: &[u8], nesting: &mut Nesting, depth_max: u32) -> Result<Option<usize>, TooDeep> {
        let mut chunks = bytes.chunks_exact(64);
        let mut at = 0;
        for chunk in &mut chunks {
            if let Some(end) = scan_chunk(chunk, nesting, depth_max)? {
                return Ok(Some(at + end));
            }
            at += 64;
        }
        Ok(scan_bytes(chunks.remainder(), nesting, depth_max)?.map(|end| at + end))
    }

    #[target_feature(enable = "avx2,pclmulqdq,popcnt")]
    fn scan_chunk(chunk: &[u8], nesting: &mut Nesting, depth_max: u32) -> Result<Option<usize>, TooDeep> {
        let Kinds { backslash, quote, open, close } = kinds(chunk);
        let (escaped, next_escaped) = match backslash {
            0 => (u64::from(nesting.escaped), false),
            backslash => escapes(backslash, nesting.escaped),
        };
        let in_string = within_quotes(quote & !escaped) ^ if nesting.in_string { !0 } else { 0 };
        if backslash & !in_string != 0 {
            // A backslash outside of strings escapes nothing. It is not JSON either, so it need not be fast.
            return scan_bytes(chunk, nesting, depth_max);
        }
        let (open, close) = (open & !in_string, close & !in_string);
        if nesting.depth > close.count_ones() && nesting.depth + open.count_ones() <= depth_max {
            nesting.depth = nesting.depth + open.count_ones() - close.count_ones();
        } else {
            let mut brackets = open | close;
            while brackets != 0 {
                let bracket = brackets & brackets.wrapping_neg();
                if open & bracket != 0 {
                    nesting.depth += 1;
                    if nesting.depth > depth_max {
                        return Err(TooDeep);
                    }
                } else {
                    nesting.depth -= 1;
                    if nesting.depth == 0 {
                        *nesting = Nesting::default();
                        return Ok(Some(bracket.trailing_zeros() as usize + 1));
                    }
                }
                brackets ^= bracket;
            }
        }
        nesting.in_string = in_string >> 63 == 1;
        nesting.escaped = next_escaped;
        Ok(None)
    }

    #[target_feature(enable = "avx2")]
    fn kinds(chunk: &[u8]) -> Kinds {
        assert!(chunk.len() == 64);
        // SAFETY: the chunk has 64 bytes, and the loads need no alignment.
        let halves = unsafe {
            let start = chunk.as_ptr().cast::<__m256i>();
            [_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1))]
        };
        // Setting the bit 0x20 makes square brackets curly, and no other byte a bracket.
        let curly = halves.map(|half| _mm256_or_si256(half, _mm256_set1_epi8(0x20)));
        let is = |[low, high]: [__m256i; 2], byte: u8| {
            let byte = _mm256_set1_epi8(byte.cast_signed());
            let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, byte)).cast_unsigned();
            let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, byte)).cast_unsigned();
            u64::from(high) << 32 | u64::from(low)
        };
        Kinds { backslash: is(halves, b'\\'), quote: is(halves, b'"'), open: is(curly, b'{'), close: is(curly, b'}') }
    }

    /// Returns which bytes are escaped, and whether the first of the next 64 is. A backslash that is not escaped escapes the next byte.
    fn escapes(backslash: u64, first_escaped: bool) -> (u64, bool) {
        const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
        let first_escaped = u64::from(first_escaped);
        let backslash = backslash & !first_escaped;
        // The subtraction carries through each run of backslashes. Where the carry stops shows whether the length of the run is even.
        let maybe_escaped = backslash << 1;
        let escape_or_last = ((maybe_escaped | ODD).wrapping_sub(backslash)) ^ ODD;
        let escaped = escape_or_last ^ (backslash | first_escaped);
        (escaped, (escape_or_last & backslash) >> 63 == 1)
    }

    /// Returns which bytes have an odd number of quotes up to and including themselves.
    #[target_feature(enable = "pclmulqdq")]
    fn within_quotes(quotes: u64) -> u64 {
        let product = _mm_clmulepi64_si128(_mm_set_epi64x(0, quotes.cast_signed()), _mm_set1_epi8(-1), 0);
        _mm_cvtsi128_si64(product).cast_unsigned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Scan = fn(&[u8], &mut Nesting, u32) -> Result<Option<usize>, TooDeep>;

    /// Scans bytes that come in two pieces, of which the first has `cut` bytes.
    fn in_pieces(scan: Scan, bytes: &[u8], cut: usize) -> Result<(Option<usize>, Nesting), TooDeep> {
        let mut nesting = Nesting::default();
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        let end = match scan(first, &mut nesting, 6)? {
            Some(end) => Some(end),
            None => scan(second, &mut nesting, 6)?.map(|end| first.len() + end),
        };
        Ok((end, nesting))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn both_versions_agree(
            bytes in r#"\{(\{|\[|\]|\}|"|\\|\\\\|\\"|[a-z ]{1,30}|"[a-z\]\}]{0,40}"|é|\{"a":\[\{"b":"c\\\\"\},\{\}\]\},?){0,40}"#,
            cut in 0usize..400,
        ) {
            let plain = in_pieces(scan_bytes, bytes.as_bytes(), usize::MAX);
            prop_assert_eq!(&in_pieces(scan, bytes.as_bytes(), cut), &plain);
            prop_assert_eq!(&in_pieces(scan_bytes, bytes.as_bytes(), cut), &plain);
        }
    }
}
