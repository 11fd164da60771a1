//! Reading with nom: one flat error, and the few primitives that the messages are made of.

use std::net::{Ipv4Addr, Ipv6Addr};

use nom::bytes::complete::take as nom_take;
use nom::error::{ErrorKind, ParseError};
use nom::number::complete::{be_u8, be_u16, be_u32, be_u128};

/// Why octets could not be read. One word pair, no position: whoever grants the octets knows which they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl<'a> ParseError<&'a [u8]> for Malformed {
    fn from_error_kind(_: &'a [u8], kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Eof => Self("ends too early"),
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
pub(super) fn flat(error: nom::Err<Malformed>) -> Malformed {
    match error {
        nom::Err::Error(malformed) | nom::Err::Failure(malformed) => malformed,
        nom::Err::Incomplete(_) => Malformed("ends too early"),
    }
}

/// Reads the whole of `input` with `parser`; octets left over are an error.
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

pub(super) fn octet(input: &[u8]) -> Parsed<'_, u8> {
    be_u8(input)
}

pub(super) fn two_octets(input: &[u8]) -> Parsed<'_, u16> {
    be_u16(input)
}

pub(super) fn four_octets(input: &[u8]) -> Parsed<'_, u32> {
    be_u32(input)
}

pub(super) fn take(input: &[u8], count: usize) -> Parsed<'_, &[u8]> {
    nom_take(count)(input)
}

/// A field with a one-octet length before it.
pub(super) fn short_field(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (input, length) = octet(input)?;
    take(input, length.into())
}

/// A field with a two-octet length before it.
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
