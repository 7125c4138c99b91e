/**
 * langtag of RFC 5646: language with extended subtags, script, region, variants, extensions, private use; or private
 * use alone.
 */
const LANGTAG =
  /^(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4}|[a-z]{5,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?(?:-(?:[a-z\d]{5,8}|\d[a-z\d]{3}))*(?:-[a-wyz\d](?:-[a-z\d]{2,8})+)*(?:-x(?:-[a-z\d]{1,8})+)?$|^x(?:-[a-z\d]{1,8})+$/;

/**
 * Normal form of a language tag: BCP 47 syntax is checked (RFC 5646, section 2.1, without the grandfathered tags),
 * language in lower case, script in title case, region in upper case. Registration is not checked. Throws Error.
 */
export function normalLanguage(text: string): string {
  const x = text.trim().toLowerCase();
  if (x.length > 100 || !LANGTAG.test(x))
    throw new Error(
      `language ${JSON.stringify(text.slice(0, 40))} is not a BCP 47 tag: write for example en, pt-BR or zh-Hant, or und for undetermined`,
    );
  let single = false;
  return x
    .split('-')
    .map((s, i) => {
      if (s.length === 1) single = true;
      if (i === 0 || single) return s;
      if (s.length === 4 && /^[a-z]/.test(s)) return s[0].toUpperCase() + s.slice(1);
      return s.length === 2 ? s.toUpperCase() : s;
    })
    .join('-');
}
