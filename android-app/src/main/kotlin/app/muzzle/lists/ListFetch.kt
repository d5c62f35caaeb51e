package app.muzzle.lists

import java.io.File
import java.io.IOException
import java.io.InputStream
import java.net.HttpURLConnection
import java.net.URI
import java.net.URL
import java.net.URLConnection
import java.time.Duration

/** The address of a list as it was typed; null for what does not begin with https and name a host. */
fun listAddress(typed: String): URL? {
    val words = typed.trim()
    if (words.length > LONGEST_ADDRESS) return null
    val address = runCatching { URI(words).toURL() }.getOrNull() ?: return null
    return address.takeIf { it.protocol == "https" && it.host.isNotEmpty() && it.userInfo == null }
}

/**
 * Reads what is kept there into a [file]; what it leaves of one that fails is the caller's to delete. Tells
 * [read] the bytes so far, which throws where no more of it is wanted.
 */
fun fetchList(
    connection: URLConnection,
    file: File,
    read: (Long) -> Unit,
) {
    connection.connectTimeout = PATIENCE.toMillis().toInt()
    connection.readTimeout = PATIENCE.toMillis().toInt()
    val answer = (connection as HttpURLConnection).responseCode
    try {
        if (answer != HttpURLConnection.HTTP_OK) throw IOException("answered $answer")
        connection.inputStream.use { copy(it, file, read) }
    } finally {
        connection.disconnect()
    }
}

/** Who keeps the list may be slow, or never come to an end. */
private fun copy(
    from: InputStream,
    file: File,
    read: (Long) -> Unit,
) {
    val end = System.nanoTime() + LONGEST_WAIT.toNanos()
    var bytes = 0L
    val some = ByteArray(CHUNK)
    file.outputStream().use { into ->
        while (true) {
            val count = from.read(some)
            if (count < 0) return
            bytes += count
            if (bytes > LONGEST_LIST) throw LongList()
            if (System.nanoTime() > end) throw IOException("takes too long")
            into.write(some, 0, count)
            read(bytes)
        }
    }
}

private const val LONGEST_ADDRESS = 500
private const val CHUNK = 1 shl 16
private val PATIENCE = Duration.ofSeconds(20)
private val LONGEST_WAIT = Duration.ofMinutes(3)
