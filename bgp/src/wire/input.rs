//! Reading with nom: one flat error, and the few primitives that the messages are made of.

use std::net::{Ipv4Addr, Ipv6Addr};

use nom::error::{ErrorKind, ParseError};
use nom::number::complete::be_u128;

/// Why octets could not be read. One word pair, no position: whoever grants the octets knows which they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

const TOO_SHORT: &str = "ends too early";

impl<'a> ParseError<&'a [u8]> for Malformed {
    fn from_error_kind(_: &'a [u8], kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Eof => Self(TOO_SHORT),
            _ => Self("cannot be read"),
        }
    }

    fn append(_: &'a [u8], _: ErrorKind, first: Self) -> Self {
        first
    }
}

/// What every parser here gives: the octets that are left, and the value.
pub(super) type Parsed<'a, T> = nom::IResult<&'a [u8], T, Malformed>;

/// An error that nom carries unchanged.
pub(super) fn malformed<T>(reason: &'static str) -> Parsed<'static, T> {
    Err(nom::Err::Error(Malformed(reason)))
}

/// The error itself. `Incomplete` cannot occur: all parsers are nom's `complete` ones.
#[inline]
pub(super) fn flat(error: nom::Err<Malformed>) -> Malformed {
    match error {
        nom::Err::Error(malformed) | nom::Err::Failure(malformed) => malformed,
        nom::Err::Incomplete(_) => Malformed(TOO_SHORT),
    }
}

/// Reads the whole of `input` with `parser`; octets left over are an error.
#[inline]
pub(super) fn all<'a, T>(
    input: &'a [u8],
    parser: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
) -> Result<T, Malformed> {
    match parser(input) {
        Ok(([], value)) => Ok(value),
        Ok(_) => Err(Malformed("is too long")),
        Err(error) => Err(flat(error)),
    }
}

/// Reads elements until nothing is left. Every element takes at least one octet, or it is an error.
#[inline]
pub(super) fn each<'a>(
    mut input: &'a [u8],
    mut element: impl FnMut(&'a [u8]) -> Parsed<'a, ()>,
) -> Result<(), Malformed> {
    while !input.is_empty() {
        let (rest, ()) = element(input).map_err(flat)?;
        if rest.len() >= input.len() {
            return Err(Malformed("has an element without length"));
        }
        input = rest;
    }
    Ok(())
}

#[inline]
pub(super) fn octet(input: &[u8]) -> Parsed<'_, u8> {
    let (rest, [value]) = array(input)?;
    Ok((rest, value))
}

#[inline]
pub(super) fn two_octets(input: &[u8]) -> Parsed<'_, u16> {
    let (rest, octets) = array(input)?;
    Ok((rest, u16::from_be_bytes(octets)))
}

#[inline]
pub(super) fn four_octets(input: &[u8]) -> Parsed<'_, u32> {
    let (rest, octets) = array(input)?;
    Ok((rest, u32::from_be_bytes(octets)))
}

/// The numbers that every element begins with: unlike nom's, this is inlined to a compare and a load.
#[inline]
fn array<const N: usize>(input: &[u8]) -> Parsed<'_, [u8; N]> {
    match input.split_first_chunk() {
        Some((octets, rest)) => Ok((rest, *octets)),
        None => malformed(TOO_SHORT),
    }
}

#[inline]
pub(super) fn take(input: &[u8], count: usize) -> Parsed<'_, &[u8]> {
    match input.split_at_checked(count) {
        Some((taken, rest)) => Ok((rest, taken)),
        None => malformed(TOO_SHORT),
    }
}

/// A field with a one-octet length before it.
#[inline]
pub(super) fn short_field(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (input, length) = octet(input)?;
    take(input, length.into())
}

/// A field with a two-octet length before it.
#[inline]
pub(super) fn long_field(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (input, length) = two_octets(input)?;
    take(input, length.into())
}

pub(super) fn ipv4(input: &[u8]) -> Parsed<'_, Ipv4Addr> {
    let (input, bits) = four_octets(input)?;
    Ok((input, Ipv4Addr::from_bits(bits)))
}

pub(super) fn ipv6(input: &[u8]) -> Parsed<'_, Ipv6Addr> {
    let (input, bits) = be_u128(input)?;
    Ok((input, Ipv6Addr::from_bits(bits)))
}
