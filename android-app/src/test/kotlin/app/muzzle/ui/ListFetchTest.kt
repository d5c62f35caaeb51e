package app.muzzle.ui

import android.app.Activity
import android.app.AlertDialog
import android.widget.EditText
import app.muzzle.TestGraph
import app.muzzle.core.Verdict
import app.muzzle.core.Work
import com.sun.net.httpserver.HttpServer
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.android.controller.ActivityController
import org.robolectric.shadows.ShadowDialog
import java.io.IOException
import java.io.InputStream
import java.net.HttpURLConnection
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.URI
import java.net.URL
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors

/** Lists that are taken in by their addresses: from who answers, who does not, and who takes his time. */
class ListFetchTest : ScreenTest() {
    private fun lists(): ActivityController<ListsActivity> = open()

    private fun imported() = graph.core.lists().lists.filter { it.imported }

    private fun verdict(host: String) = graph.core.host(host).decision!!.verdict

    /** Types an address where the screen asks for one. */
    private fun fetch(
        screen: Activity,
        address: String,
    ) {
        tap(screen, "Add a list by its address")
        val dialog = ShadowDialog.getLatestDialog() as AlertDialog
        visible(dialog.window!!.decorView).filterIsInstance<EditText>().single().setText(address)
        dialog.getButton(AlertDialog.BUTTON_POSITIVE).performClick()
        settle()
    }

    /** Answers everything with this. */
    private fun serving(
        status: Int,
        list: () -> InputStream,
        use: (asked: List<String>) -> Unit,
    ) {
        val asked = mutableListOf<String>()
        val server = HttpServer.create(InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0)
        server.createContext("/") { exchange ->
            asked += exchange.requestURI.path
            exchange.sendResponseHeaders(status, 0)
            runCatching { exchange.responseBody.use { list().copyTo(it) } }
        }
        server.start()
        graph.net = { URI("http://127.0.0.1:${server.address.port}${it.path}").toURL().openConnection() }
        try {
            use(asked)
        } finally {
            server.stop(0)
        }
    }

    @Test
    fun aListIsTakenInByItsAddressAndFetchedAgain() {
        qualifiers(PHONE)
        val screen = lists().get()
        var list = MINE
        serving(200, { list.byteInputStream() }) { asked ->
            fetch(screen, " https://lists.example/own/hosts.txt ")
            assertShows(screen, "https://lists.example/own/hosts.txt: 1 names taken, 0 lines not")
            picture(screen, "lists-fetched", "Your own lists")
            assertEquals(emptyList<String>(), accessFaultsThroughout(screen, ::settle))
            assertEquals(Verdict.BLOCK, verdict("tracker.example.com"))
            list = "other.example.com\n"
            tap(screen, "Fetch again")
            assertEquals(Verdict.ALLOW, verdict("tracker.example.com"))
            assertEquals(Verdict.BLOCK, verdict("other.example.com"))
            assertEquals(listOf("/own/hosts.txt", "/own/hosts.txt"), asked)
        }
        assertEquals("lists-example-own-hosts-txt", imported().single().name)
        assertEquals(emptyList<String>(), screen.cacheDir.list().orEmpty().filter { it.startsWith("list") })
    }

    @Test
    fun anAddressThatGivesNoListLeavesTheOldOneInForce() {
        val screen = lists().get()
        val before = "The list was not taken. The lists of before are in force."
        serving(200, { MINE.byteInputStream() }) { fetch(screen, MINE_AT) }
        val bad = listOf("http://a.example/hosts", "https:///hosts", "https://me:secret@a.example/", "file:///etc/hosts", "")
        for (address in bad) {
            fetch(screen, address)
            assertShows(screen, "This is no address that begins with https")
        }
        fetch(screen, "https://lists.example/hosts.txt")
        assertShows(screen, before, "The list could not be fetched.")
        serving(404, { "<html>nothing here</html>".byteInputStream() }) {
            fetch(screen, "https://lists.example/hosts.txt")
            assertShows(screen, before, "The list could not be fetched.")
        }
        serving(200, { "<html>log in first</html>".byteInputStream() }) {
            fetch(screen, "https://lists.example/hosts.txt")
            assertShows(screen, before, "This is a web page. Use the address of the list itself, often called raw.")
        }
        assertEquals(listOf(MINE_AT), imported().map { it.source })
        assertEquals(Verdict.BLOCK, verdict("tracker.example.com"))
        assertEquals(emptyList<String>(), screen.cacheDir.list().orEmpty().filter { it.startsWith("list") })
    }

    @Test
    fun aListWithoutAnEndIsNotReadToIt() {
        val screen = lists().get()
        val endless =
            object : InputStream() {
                override fun read() = '#'.code

                override fun read(
                    bytes: ByteArray,
                    at: Int,
                    count: Int,
                ) = count.also { bytes.fill('#'.code.toByte(), at, at + count) }
            }
        serving(200, { endless }) {
            fetch(screen, "https://lists.example/hosts.txt")
            assertShows(screen, "The list was not taken.", "The list is longer than ")
        }
    }

    /** One list, of which the end comes when the test says so, or never. */
    private class Slow(
        address: URL,
    ) : HttpURLConnection(address) {
        val end = CountDownLatch(1)
        val gone = CountDownLatch(1)
        private var told = false

        override fun connect() = Unit

        override fun usingProxy() = false

        override fun getResponseCode() = HTTP_OK

        override fun disconnect() {
            gone.countDown()
            end.countDown()
        }

        override fun getInputStream() =
            object : InputStream() {
                override fun read() = throw IOException("read in pieces")

                override fun read(
                    bytes: ByteArray,
                    at: Int,
                    count: Int,
                ): Int {
                    if (!told) {
                        told = true
                        val list = MINE.toByteArray()
                        list.copyInto(bytes, at)
                        return list.size
                    }
                    end.await()
                    return -1
                }
            }
    }

    /** All that reads the disk waits in one line, so that nothing may hold it up. */
    private fun slowly(): Slow {
        val line = Executors.newSingleThreadExecutor { Thread(it, "work").apply { isDaemon = true } }
        use { TestGraph(it, work = Work(line)) }
        return Slow(URI("https://lists.example/hosts.txt").toURL()).also { slow -> graph.net = { slow } }
    }

    private fun comesToSay(
        screen: Activity,
        words: String,
    ) = eventually("$words in ${texts(screen)}") { texts(screen).any { words in it } }

    private fun underWay(slow: Slow): ActivityController<ListsActivity> {
        val controller = lists()
        comesToSay(controller.get(), "Add a list by its address")
        fetch(controller.get(), slow.url.toString())
        comesToSay(controller.get(), "Fetching the list from lists.example…")
        comesToSay(controller.get(), "${MINE.length} B so far")
        return controller
    }

    @Test
    fun everyScreenOpensWhileAFetchHangs() {
        qualifiers(PHONE)
        val slow = slowly()
        val screen = underWay(slow).get()
        picture(screen, "lists-fetching", "Your own lists")
        assertEquals(emptyList<String>(), accessFaultsThroughout(screen, ::settle))
        for ((name, intent) in everyScreen()) {
            val other = at(intent).get()
            eventually("the screen $name in ${texts(other)}") { texts(other).none { it.startsWith("Loading") } && texts(other).size > 1 }
        }
        assertEquals("the fetch still hangs", 1L, slow.end.count)
        slow.disconnect()
    }

    @Test
    fun aFetchThatIsCancelledTakesNothingInAndHangsUp() {
        val slow = slowly()
        val screen = underWay(slow).get()
        assertFalse(button(screen, "Add a list by its address").isEnabled)
        tap(screen, "Cancel")
        comesToSay(screen, "Cancelled. The lists of before are in force.")
        slow.gone.await()
        assertTrue(button(screen, "Add a list by its address").isEnabled)
        eventually("no file is left") { screen.cacheDir.list().orEmpty().none { it.startsWith("list") } }
        assertEquals(emptyList<Any>(), imported())
    }

    @Test
    fun aFetchGoesOnThroughARotationAndTellsTheNewScreen() {
        val slow = slowly()
        val screen = revive(underWay(slow))
        comesToSay(screen, "${MINE.length} B so far")
        slow.end.countDown()
        comesToSay(screen, "https://lists.example/hosts.txt: 1 names taken, 0 lines not")
        assertEquals(listOf("https://lists.example/hosts.txt"), imported().map { it.source })
    }

    @Test
    fun aFetchThatEndsWhileNobodyLooksIsToldLater() {
        val slow = slowly()
        underWay(slow).pause().stop().destroy()
        slow.end.countDown()
        eventually("the list is taken in") { graph.imports.current == null }
        comesToSay(lists().get(), "https://lists.example/hosts.txt: 1 names taken, 0 lines not")
    }

    private fun button(
        screen: Activity,
        words: String,
    ) = visible(screen.window.decorView).filterIsInstance<android.widget.Button>().first { it.text.toString() == words }

    private companion object {
        const val MINE_AT = "https://lists.example/mine"
        const val MINE = "0.0.0.0 tracker.example.com\n"
    }
}
