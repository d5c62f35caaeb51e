package app.muzzle.export

import android.app.Activity
import android.content.Intent
import android.net.Uri
import app.muzzle.MuzzleApp
import app.muzzle.R
import app.muzzle.TestGraph
import app.muzzle.core.ExportRequest
import app.muzzle.core.Filter
import app.muzzle.core.Work
import app.muzzle.ui.ExportActivity
import app.muzzle.ui.ScreenTest
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import java.io.File
import java.io.FileNotFoundException
import java.io.RandomAccessFile
import java.nio.file.Files
import java.text.NumberFormat

/** From the export screen to the file that another app reads, or to none at all. */
class ExportTest : ScreenTest() {
    private val folder = Files.createTempDirectory("documents").toFile()

    private fun two(
        screen: Activity,
        title: Int,
        text: Int,
    ) = screen.getString(R.string.two_lines, screen.getString(title), screen.getString(text))

    private fun ExportActivity.takes(format: ExportFormat) = tap(this, two(this, format.title, format.text))

    private fun ExportActivity.hides() = tap(this, two(this, R.string.export_hide, R.string.export_hide_text))

    private fun empty(name: String = "export") = File(folder, name).also { it.createNewFile() }

    /** Save is touched, and the owner chooses that document in the system's own screen. */
    private fun ExportActivity.saves(documents: Documents): Intent {
        tap(this, "Save")
        val asked = shadowOf(this).nextStartedActivityForResult.intent
        shadowOf(this).receiveResult(asked, Activity.RESULT_OK, Intent().setData(documents.document))
        settle()
        return asked
    }

    private fun ExportActivity.comesToSay(words: String) = eventually("$words in ${texts(this)}") { texts(this).any { words in it } }

    private fun events(request: ExportRequest) = graph.core.exportSize(request).events

    @Test
    fun eachFormatIsSavedWholeWhereTheOwnerWants() {
        val beginnings =
            mapOf(
                ExportFormat.JSONL to "{\"".toByteArray(),
                ExportFormat.CSV to "id,".toByteArray(),
                ExportFormat.SQLITE to "SQLite format 3\u0000".toByteArray(),
                ExportFormat.PCAPNG to byteArrayOf(0x0a, 0x0d, 0x0d, 0x0a),
            )
        assertEquals(ExportFormat.entries.toSet(), beginnings.keys)
        for ((format, beginning) in beginnings) {
            val screen = open<ExportActivity>().get()
            screen.hides()
            screen.takes(format)
            val file = empty(format.code)
            val asked = screen.saves(Documents.with(file))
            assertEquals(Intent.ACTION_CREATE_DOCUMENT to format.type, asked.action to asked.type)
            assertEquals("muzzle-2026-11-21.${format.code}", asked.getStringExtra(Intent.EXTRA_TITLE))
            assertShows(screen, "Written: ")
            assertArrayEquals(format.code, beginning, file.readBytes().copyOf(beginning.size))
        }
    }

    @Test
    fun theFileHoldsTheRangeThatWasChosen() {
        val screen = open<ExportActivity>().get()
        screen.takes(ExportFormat.JSONL)
        tap(screen, "Today")
        val file = empty()
        screen.saves(Documents.with(file))
        val midnight = TestGraph.NOW.toEpochMilli() / DAY_MS * DAY_MS
        val today = events(ExportRequest("jsonl", redact = true, filter = Filter(since = midnight)))
        val all = events(ExportRequest("jsonl", redact = true))
        assertTrue("$today of $all", today in 1 until all)
        assertEquals(today, file.readLines().size.toLong())
        assertShows(screen, "Written: $today events")
    }

    @Test
    fun whatIsHiddenIsInNoFile() {
        val imei = "490154203237518"
        for (hide in listOf(true, false)) {
            val screen = open<ExportActivity>().get()
            screen.takes(ExportFormat.JSONL)
            if (!hide) screen.hides()
            val file = empty()
            screen.saves(Documents.with(file))
            assertEquals(!hide, imei in file.readText())
        }
    }

    @Test
    fun aDiskThatIsFullIsSaidAndLeavesNoFile() {
        qualifiers(PHONE)
        val screen = open<ExportActivity>().get()
        val link = Files.createSymbolicLink(File(folder, "full").toPath(), File("/dev/full").toPath()).toFile()
        screen.saves(Documents.with(link))
        assertShows(screen, "No space left. No file was left behind. Free some space on the phone, then try again.")
        assertFalse(Files.isSymbolicLink(link.toPath()))
        picture(screen, "export-full", "No space left.")
        tap(screen, "Try again")
        assertShows(screen, "events, about", "Save")
    }

    @Test
    fun aFileThatCannotBeRemovedIsSaid() {
        val screen = open<ExportActivity>().get()
        val link = Files.createSymbolicLink(File(folder, "full").toPath(), File("/dev/full").toPath()).toFile()
        val documents = Documents.with(link)
        documents.deletes = false
        screen.saves(documents)
        assertShows(screen, "The export is incomplete, and its file could not be removed.")
    }

    @Test
    fun aDocumentThatIsGoneIsSaid() {
        val screen = open<ExportActivity>().get()
        screen.saves(Documents.with(File(folder, "gone")))
        assertShows(screen, "Something went wrong. No file was left behind.")
    }

    /** A pipe that nobody reads holds an export up, once it is full, for as long as the test wants. */
    private fun pipe(): File {
        val pipe = File(folder, "pipe")
        check(ProcessBuilder("mkfifo", pipe.path).start().waitFor() == 0)
        return pipe
    }

    private fun inTheBackground() {
        graph.close()
        graph = TestGraph(RuntimeEnvironment.getApplication(), work = Work())
        MuzzleApp.makeGraph = { graph }
    }

    @Test
    fun anExportThatIsCancelledLeavesNoFile() {
        inTheBackground()
        val controller = open<ExportActivity>()
        val screen = controller.get()
        screen.comesToSay("events, about")
        screen.hides()
        screen.comesToSay("events, about")
        val pipe = pipe()
        screen.saves(Documents.with(pipe))
        screen.comesToSay(" of ${number(events(ExportRequest("csv", redact = false, filter = week())))} events")
        tap(screen, "Cancel")
        drain(pipe)
        screen.comesToSay("Cancelled. No file was left behind.")
        assertFalse(pipe.exists())
    }

    @Test
    fun anExportEndsWithItsScreen() {
        inTheBackground()
        val controller = open<ExportActivity>()
        val screen = controller.get()
        screen.comesToSay("events, about")
        val pipe = pipe()
        screen.saves(Documents.with(pipe))
        screen.comesToSay(" of ")
        controller.pause().stop().destroy()
        drain(pipe)
        eventually("the pipe is gone") { !pipe.exists() }
    }

    private fun number(count: Long) = NumberFormat.getIntegerInstance().format(count)

    /** Reads on, after the time in which the core asks whether to go on. */
    private fun drain(pipe: File) {
        val open = RandomAccessFile(pipe, "rw")
        Thread.sleep(ASKED_EVERY_MS)
        Thread({ runCatching { while (open.read(ByteArray(1 shl 16)) >= 0) Unit } }, "drain").apply { isDaemon = true }.start()
    }

    @Test
    fun whatIsSharedCanBeReadByWhoGotItAndNotWritten() {
        val screen = open<ExportActivity>().get()
        screen.takes(ExportFormat.JSONL)
        val first = shared(screen)
        val resolver = screen.contentResolver
        val read = resolver.openInputStream(first)!!.use { it.readBytes() }
        assertEquals(events(ExportRequest("jsonl", redact = true, filter = week())), read.decodeToString().trim().lines().size.toLong())
        resolver.query(first, null, null, null, null)!!.use {
            assertTrue(it.moveToFirst())
            assertEquals("muzzle-2026-11-21.jsonl", it.getString(0))
            assertEquals(read.size.toLong(), it.getLong(1))
        }
        assertThrows(FileNotFoundException::class.java) { resolver.openFileDescriptor(first, "rw") }
        val other = first.buildUpon().path("../muzzle.db").build()
        assertThrows(FileNotFoundException::class.java) { resolver.openFileDescriptor(other, "r") }
        tap(screen, "OK")
        shared(screen)
        assertThrows("the next export takes its place", FileNotFoundException::class.java) { resolver.openFileDescriptor(first, "r") }
    }

    private fun week() = Filter(since = TestGraph.NOW.toEpochMilli() / DAY_MS * DAY_MS - 6 * DAY_MS)

    private fun shared(screen: ExportActivity): Uri {
        tap(screen, "Share")
        val chooser = shadowOf(screen).nextStartedActivity
        assertEquals(Intent.ACTION_CHOOSER, chooser.action)
        val send = chooser.getParcelableExtra(Intent.EXTRA_INTENT, Intent::class.java)!!
        assertEquals(Intent.ACTION_SEND to ExportFormat.JSONL.type, send.action to send.type)
        assertTrue(send.flags and Intent.FLAG_GRANT_READ_URI_PERMISSION != 0)
        assertEquals(0, send.flags and Intent.FLAG_GRANT_WRITE_URI_PERMISSION)
        return send.getParcelableExtra(Intent.EXTRA_STREAM, Uri::class.java)!!
    }

    private companion object {
        const val DAY_MS = 86_400_000L
        const val ASKED_EVERY_MS = 300L
    }
}
