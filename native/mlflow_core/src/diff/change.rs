//! Which side a field's change is on.

use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    Neither,
    Here,
    There,
    Both,
}

/// `base` is `None` where there is none; then a value on one side only counts as that side's.
pub(super) fn changed<T: PartialEq + ?Sized>(
    local: Option<&T>,
    base: Option<Option<&T>>,
    remote: Option<&T>,
) -> Changed {
    changed_by(T::eq, local, base, remote)
}

/// As `changed`, where values may be the `same` without being equal.
pub(super) fn changed_by<T: ?Sized>(
    same: fn(&T, &T) -> bool,
    local: Option<&T>,
    base: Option<Option<&T>>,
    remote: Option<&T>,
) -> Changed {
    let same = |one: Option<&T>, two: Option<&T>| match (one, two) {
        (Some(one), Some(two)) => same(one, two),
        (None, None) => true,
        _ => false,
    };
    if same(local, remote) {
        return Changed::Neither;
    }
    match base {
        Some(base) if same(local, base) => Changed::There,
        Some(base) if same(remote, base) => Changed::Here,
        None if remote.is_none() => Changed::Here,
        None if local.is_none() => Changed::There,
        _ => Changed::Both,
    }
}

/// Every key of the maps in order, with the value that each of them has for it.
pub(super) fn by_key<const N: usize>(
    maps: [&BTreeMap<String, String>; N],
) -> impl Iterator<Item = (&str, [Option<&String>; N])> {
    // Walking along is much cheaper than looking every key up.
    let mut sides = maps.map(|map| map.iter().peekable());
    std::iter::from_fn(move || {
        let keys = sides.iter_mut().filter_map(|side| side.peek());
        let key = keys.map(|(key, _)| *key).min()?;
        let mut of_side = |side: usize| sides[side].next_if(|(other, _)| *other == key);
        let values = std::array::from_fn(|side| of_side(side).map(|(_, value)| value));
        Some((key.as_str(), values))
    })
}
