package app.muzzle.lists

import android.content.ContentResolver
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import app.muzzle.core.Core
import app.muzzle.core.ImportReport
import app.muzzle.core.Work
import java.io.File
import java.io.FileNotFoundException
import java.net.HttpURLConnection
import java.net.URL
import java.net.URLConnection
import java.util.concurrent.CancellationException
import java.util.concurrent.atomic.AtomicBoolean

/**
 * Takes the owner's lists in, one at a time, apart from the work of the screens: who keeps a list may be slow. Goes
 * on when the screen that asked is gone. For the main thread.
 */
class ListImports(
    private val work: Work,
    private val connect: (URL) -> URLConnection,
    private val core: () -> Core,
    private val cache: () -> File,
) {
    class Taken(
        val title: String,
        val report: ImportReport,
    )

    class Outcome(
        val fetched: Boolean,
        val taken: Result<Taken>,
    )

    /** One under way. */
    inner class Import(
        /** Where it is fetched from; null for a file. */
        val host: String?,
    ) {
        /** Fetched so far. */
        @Volatile
        var bytes = 0L
            private set

        @Volatile
        private var connection: URLConnection? = null
        private val settled = AtomicBoolean()
        private val telling = AtomicBoolean()

        /** The first to ask decides whether the list is taken in or left; the other one comes too late. */
        internal fun settle() = settled.compareAndSet(false, true)

        internal fun fetch(
            address: URL,
            below: Boolean,
        ): Taken {
            val file = File.createTempFile("list", null, cache())
            try {
                fetchList(connect(address).also { connection = it }, file, ::read)
                val descriptor = ParcelFileDescriptor.open(file, ParcelFileDescriptor.MODE_READ_ONLY)
                return take(descriptor, nameOfList(address), address.toString(), below)
            } finally {
                file.delete()
            }
        }

        private fun read(bytes: Long) {
            if (settled.get()) throw CancellationException()
            this.bytes = bytes
            if (!telling.compareAndSet(false, true)) return
            work.tell {
                telling.set(false)
                if (current === this) changed()
            }
        }

        internal fun take(
            list: ParcelFileDescriptor,
            name: String,
            title: String,
            below: Boolean,
        ): Taken {
            if (!settle()) {
                list.close()
                throw CancellationException()
            }
            return Taken(title.ifEmpty { name }, core().importList(list.detachFd(), name, title, below))
        }

        /** Wakes who waits for the net. Waits for it, too. */
        internal fun close() = (connection as? HttpURLConnection)?.disconnect()
    }

    var current: Import? = null
        private set
    private var ticket: Work.Ticket? = null
    private var outcome: Outcome? = null

    /** Hears of each step. */
    var changed: () -> Unit = {}

    /** What came of the last one: told once. */
    fun outcome(): Outcome? = outcome.also { outcome = null }

    fun fetch(
        address: URL,
        below: Boolean = false,
    ) = start(address.host) { it.fetch(address, below) }

    fun read(
        document: Uri,
        resolver: ContentResolver,
        below: Boolean = false,
    ) = start(null) {
        val title = titleOf(document, resolver)
        val file = resolver.openFileDescriptor(document, "r") ?: throw FileNotFoundException("the document is gone")
        it.take(file, nameOfList(title), title, below)
    }

    /** Nothing is taken in, unless the core has begun to. */
    fun cancel() {
        val import = current ?: return
        if (!import.settle()) return
        ticket?.cancel()
        work.run(import::close) {}
        end(import, Result.failure(CancellationException()))
    }

    private fun start(
        host: String?,
        take: (Import) -> Taken,
    ) {
        if (current != null) return
        val import = Import(host)
        current = import
        outcome = null
        ticket = work.run({ take(import) }) { end(import, it) }
        changed()
    }

    private fun end(
        import: Import,
        taken: Result<Taken>,
    ) {
        current = null
        ticket = null
        outcome = Outcome(import.host != null, taken)
        changed()
    }

    private fun titleOf(
        document: Uri,
        resolver: ContentResolver,
    ): String {
        val name =
            resolver.query(document, arrayOf(OpenableColumns.DISPLAY_NAME), null, null, null)?.use {
                if (it.moveToFirst()) it.getString(0) else null
            }
        return (name ?: document.lastPathSegment.orEmpty()).take(LONGEST_TITLE)
    }

    private companion object {
        const val LONGEST_TITLE = 80
    }
}
