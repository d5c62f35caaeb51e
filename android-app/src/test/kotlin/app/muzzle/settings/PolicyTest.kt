package app.muzzle.settings

import app.muzzle.TestGraph
import app.muzzle.core.Verdict
import org.json.JSONObject
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment

/** The owner's choices, as the real core obeys them. */
@RunWith(RobolectricTestRunner::class)
class PolicyTest {
    private val graph = TestGraph(RuntimeEnvironment.getApplication())
    private val browser = "com.mi.globalbrowser"
    private val player = "com.miui.player"

    @After
    fun close() = graph.close()

    private fun decided(
        settings: OwnerSettings,
        host: String,
        packageName: String = browser,
    ) = graph.core.run {
        setPolicy(settings.policy(graph.apps::uids))
        host(host, graph.apps.uids(packageName).single()).decision!!
    }

    @Test
    fun aListThatIsOffSaysNothing() {
        val host = "tracking.intl.miui.com"
        assertEquals(Verdict.BLOCK, decided(OwnerSettings(), host).verdict)
        assertEquals("unknown-allow", decided(OwnerSettings().withList("xiaomi", false), host).reason)
        assertEquals(Verdict.BLOCK, decided(OwnerSettings().withList("alibaba", false), host).verdict)
        assertEquals(OwnerSettings(), OwnerSettings().withList("xiaomi", false).withList("xiaomi", true))
    }

    @Test
    fun aWayPastTheResolverIsRefusedToWhomTheOwnerSays() {
        val host = "dns.google"
        val chosen = OwnerSettings(apps = mapOf(player to AppSetting.BLOCK))
        val refused = { bypass: Bypass ->
            listOf(browser, player).filter {
                decided(chosen.copy(bypass = bypass), host, it).reason ==
                    "resolver-bypass"
            }
        }
        assertEquals(emptyList<String>(), refused(Bypass.OFF))
        assertEquals(listOf(player), refused(Bypass.LISTED_APPS))
        assertEquals(listOf(browser, player), refused(Bypass.ALL))
    }

    @Test
    fun allChoicesComeBackFromTheirFile() {
        val settings =
            OwnerSettings(
                apps = mapOf(player to AppSetting.OFF),
                hosts = listOf(HostOverride("a.example", Verdict.CAPTURE, player, 7)),
                categories = mapOf("ads" to Verdict.ALLOW),
                listsOff = setOf("alibaba", "own"),
                bypass = Bypass.ALL,
            )
        assertEquals(settings, OwnerSettings.of(settings.json()))
        assertEquals(OwnerSettings(), OwnerSettings.of(JSONObject().put("v", 1)))
    }

    @Test
    fun theCoreSaysWhatTheOwnerShouldKnow() {
        val settings =
            OwnerSettings(
                hosts =
                    listOf(
                        HostOverride("account.xiaomi.com", Verdict.BLOCK),
                        HostOverride("a.example", Verdict.BLOCK, "com.example.gone"),
                    ),
                listsOff = setOf("gone"),
            )
        val told = graph.core.setPolicy(settings.policy(graph.apps::uids)).associateBy { it.code }
        assertEquals(setOf("never-block-host", "unknown-app", "unknown-list"), told.keys)
        assertEquals("account.xiaomi.com", told.getValue("never-block-host").host)
        assertEquals("com.example.gone", told.getValue("unknown-app").packageName)
        assertEquals("gone", told.getValue("unknown-list").list)
    }

    @Test
    fun onlyWhatIsNewIsToldAndToldAgainAfterItWasTakenBack() {
        val heard = mutableListOf<List<String?>>()
        val warnings = PolicyWarnings()
        warnings.listen { fresh -> heard += fresh.map { it.host } }
        val one = OwnerSettings(hosts = listOf(HostOverride("account.xiaomi.com", Verdict.BLOCK)))
        for (settings in listOf(one, one.copy(capture = true), OwnerSettings(), one)) {
            warnings.told(graph.core.setPolicy(settings.policy(graph.apps::uids)))
        }
        assertEquals(listOf(listOf("account.xiaomi.com"), listOf("account.xiaomi.com")), heard)
    }
}
