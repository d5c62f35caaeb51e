package app.muzzle.service

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.w3c.dom.Element
import java.io.File
import javax.xml.parsers.DocumentBuilderFactory

class ManifestTest {
    private val manifest =
        DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(File("src/main/AndroidManifest.xml")).documentElement

    private fun Element.all(tag: String): List<Element> = getElementsByTagName(tag).run { List(length) { item(it) as Element } }

    private fun Element.said(name: String): String = getAttribute("android:$name")

    private fun component(name: String) = (manifest.all("service") + manifest.all("receiver")).single { it.said("name") == name }

    private fun Element.metaData() = all("meta-data").associate { it.said("name") to it.said("value") }

    @Test
    fun thePermissionsAreThoseOfTheListAndEachHasItsReason() {
        val asked = manifest.all("uses-permission").map { it.said("name") }
        assertEquals(File("permissions.txt").readLines(), asked)
        val table = File("../docs/privacy.md").readLines().filter { it.startsWith("| `android.permission.") }
        assertEquals(asked, table.map { it.split('`')[1] })
        assertTrue(table.all { it.split('|')[2].isNotBlank() })
    }

    @Test
    fun onlyTheScreenAndTheTileAreOpenToOthers() {
        val tags = listOf("activity", "service", "receiver", "provider")
        val components = tags.flatMap { manifest.all(it) }
        assertTrue(components.all { it.said("exported") in setOf("true", "false") })
        val exported = components.filter { it.said("exported") == "true" }
        assertEquals(listOf(".ui.MainActivity", ".service.MuzzleTile"), exported.map { it.said("name") })
        assertEquals("android.permission.BIND_QUICK_SETTINGS_TILE", component(".service.MuzzleTile").said("permission"))
    }

    @Test
    fun nothingIsBackedUp() {
        val application = manifest.all("application").single()
        assertEquals("false", application.said("allowBackup"))
        assertEquals("false", application.said("fullBackupContent"))
        assertEquals("@xml/nothing_leaves", application.said("dataExtractionRules"))
    }

    @Test
    fun theServiceIsASpecialUseVpnThatMayBeAlwaysOn() {
        val service = component(".service.MuzzleService")
        assertEquals("specialUse", service.said("foregroundServiceType"))
        assertEquals("android.permission.BIND_VPN_SERVICE", service.said("permission"))
        assertEquals(listOf("android.net.VpnService"), service.all("action").map { it.said("name") })
        assertEquals("true", service.metaData()["android.net.VpnService.SUPPORTS_ALWAYS_ON"])
        val property = service.all("property").single()
        assertEquals("android.app.PROPERTY_SPECIAL_USE_FGS_SUBTYPE", property.said("name"))
        assertTrue(property.said("value").isNotBlank())
    }

    @Test
    fun theReceiverHearsOfAStartAndOfAnUpdate() =
        assertEquals(
            listOf("android.intent.action.BOOT_COMPLETED", "android.intent.action.MY_PACKAGE_REPLACED"),
            component(".service.BootReceiver").all("action").map { it.said("name") },
        )
}
