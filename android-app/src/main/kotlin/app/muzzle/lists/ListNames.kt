package app.muzzle.lists

import java.net.URL

/** The built-in lists that are switched, by their names in the core. */
val SWITCHED_LISTS = listOf("xiaomi", "alibaba", "sensors", "other")

/** The built-in list of hosts that no list stops. */
const val NEVER_LIST = "never-block"

/** Such as `hosts-2026` for `Hosts_2026.txt`: the core takes no other letters. */
fun nameOfList(title: String) = plain(title.substringBeforeLast('.').take(LONGEST_NAME))

/** The end of the address, which differs from list to list. */
fun nameOfList(address: URL) = plain((address.host + address.path).takeLast(LONGEST_NAME))

private fun plain(words: String): String {
    val plain = words.lowercase().map { if (it in 'a'..'z' || it in '0'..'9') it else '-' }.joinToString("").trim('-')
    return if (plain.isEmpty() || plain in BUILT_IN) "own-$plain".trim('-') else plain
}

private val BUILT_IN = SWITCHED_LISTS + NEVER_LIST + "resolvers"

/** Four less than the core takes. */
private const val LONGEST_NAME = 28
