//! Lists that AWS gives in pages: to the end or not at all.

use std::collections::BTreeSet;

use crate::error::{Error, Kind};

/// Pages that a list may have.
const MAX_PAGES: usize = 1_000;
/// Entries that a list may have.
const MAX_ITEMS: usize = 20_000;

/// Follows `fetch` from token to token until there is none. Pages may be empty before the last one.
///
/// # Errors
/// The first error of `fetch`; a token that comes twice; a list beyond the limits: half a list is no list.
pub(crate) async fn all<T, F>(
    operation: &'static str,
    resource: &str,
    mut fetch: impl FnMut(Option<String>) -> F,
) -> Result<Vec<T>, Error>
where
    F: Future<Output = Result<(Vec<T>, Option<String>), Error>>,
{
    let refuse = |why: String| Err(Error::own(Kind::Invalid, operation, resource, why));
    let mut items = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let (page, next) = fetch(token.clone()).await?;
        items.extend(page);
        if items.len() > MAX_ITEMS {
            return refuse(format!("the list has more than {MAX_ITEMS} entries"));
        }
        match next.filter(|next| !next.is_empty()) {
            None => return Ok(items),
            next if next == token => {
                return refuse("AWS answered with the same page token twice".to_owned());
            }
            next => token = next,
        }
    }
    refuse(format!("the list has more than {MAX_PAGES} pages"))
}

/// The same for names, each once: what comes and goes between two pages may stand on both.
///
/// # Errors
/// As [`all`].
pub(crate) async fn names<F>(
    operation: &'static str,
    resource: &str,
    fetch: impl FnMut(Option<String>) -> F,
) -> Result<Vec<String>, Error>
where
    F: Future<Output = Result<(Vec<String>, Option<String>), Error>>,
{
    let mut names = all(operation, resource, fetch).await?;
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    #[tokio::test]
    async fn what_stands_on_two_pages_is_one() {
        let list = names("ListTasks", "blog", |token| {
            ready(Ok(match token.as_deref() {
                None => (vec!["c".to_owned(), "a".to_owned()], Some("1".to_owned())),
                Some(_) => (vec!["a".to_owned(), "b".to_owned()], None),
            }))
        });
        assert_eq!(list.await.unwrap(), ["c", "a", "b"]);
    }

    #[tokio::test]
    async fn empty_pages_are_passed_and_the_end_is_reached() {
        let mut asked = Vec::new();
        let list = all("ListServices", "prod", |token| {
            asked.push(token.clone());
            ready(Ok(match token.as_deref() {
                None => (vec![1], Some("a".to_owned())),
                Some("a") => (vec![], Some("b".to_owned())),
                Some(_) => (vec![2], Some(String::new())),
            }))
        });
        assert_eq!(list.await, Ok(vec![1, 2]));
        assert_eq!(asked, [None, Some("a".to_owned()), Some("b".to_owned())]);
    }

    #[tokio::test]
    async fn what_does_not_end_is_an_error() {
        let same = all("ListServices", "prod", |_| {
            ready(Ok((vec![1], Some("a".to_owned()))))
        })
        .await;
        assert!(same.unwrap_err().message.contains("twice"));
        let mut page = 0;
        let pages = all("ListServices", "prod", |_| {
            page += 1;
            ready(Ok((vec![1], Some(page.to_string()))))
        });
        assert!(
            pages
                .await
                .unwrap_err()
                .message
                .contains("more than 1000 pages")
        );
        let items = all("ListServices", "prod", |_| {
            ready(Ok((vec![1; MAX_ITEMS + 1], None)))
        })
        .await;
        assert!(
            items
                .unwrap_err()
                .message
                .contains("more than 20000 entries")
        );
    }
}
