package app.muzzle.export

import android.content.ContentResolver
import android.net.Uri
import android.provider.DocumentsContract
import java.io.FileNotFoundException
import java.io.IOException

/** A file was not written to its end, and what was written of it is still there. */
class LeftBehind(
    override val cause: Throwable,
) : IOException(cause)

/** All is written, or what was written is deleted. Who keeps the file may refuse that: [LeftBehind]. */
fun <T> whole(
    delete: () -> Boolean,
    write: () -> T,
): T =
    runCatching(write).getOrElse { fault ->
        val gone = runCatching(delete).getOrDefault(false)
        throw if (gone) fault else LeftBehind(fault)
    }

/** The same for a document that the owner made. */
fun <T> ContentResolver.whole(
    document: Uri,
    write: () -> T,
): T = whole({ delete(document) }, write)

private fun ContentResolver.delete(document: Uri): Boolean =
    try {
        DocumentsContract.deleteDocument(this, document)
    } catch (_: FileNotFoundException) {
        true
    }
